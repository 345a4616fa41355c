import { CairnError } from '../core/errors.js';
import { type GroupName, groupPath, parseGroupPath } from '../core/group.js';
import type { Connection, Row } from './connection.js';
import type { Counters } from './counters.js';

/** A group that has a live tree. */
export interface Group {
  readonly id: number;
  readonly name: GroupName;
  /** Inode of the group's folder, and of `current/` in it. */
  readonly groupIno: number;
  readonly currentIno: number;
}

function decodeGroup(row: Row): Group {
  const [id, path, groupIno, currentIno] = row as [number, string, number, number];
  return { id, name: parseGroupPath(path), groupIno, currentIno };
}

/** Reads groups. */
export class GroupRows {
  readonly #byId;
  readonly #byPath;
  readonly #list;

  constructor(connection: Connection) {
    const select = 'SELECT id, path, group_ino, current_ino FROM groups';
    this.#byId = connection.rows(`${select} WHERE id = ?`);
    this.#byPath = connection.rows(`${select} WHERE path = ?`);
    this.#list = connection.rows(`${select} ORDER BY path`, 'background');
  }

  find(id: number): Group | undefined {
    const row = this.#byId.get(id);
    return row && decodeGroup(row);
  }

  findByName(name: GroupName): Group | undefined {
    const row = this.#byPath.get(groupPath(name));
    return row && decodeGroup(row);
  }

  /** All groups in order of their paths. */
  list(): Group[] {
    return this.#list.all().map(decodeGroup);
  }
}

/** The writer's groups; changes make and remove them. */
export interface Groups {
  find(id: number): Group | undefined;
  findByName(name: GroupName): Group | undefined;
  list(): Group[];
  /** An id no group ever had. Kept in memory; the change that uses it makes it lasting. */
  allocateId(): number;
}

export class GroupTable implements Groups {
  readonly #rows: GroupRows;
  readonly #counters: Counters;
  readonly #insert;
  readonly #delete;
  readonly #setCurrent;

  constructor(connection: Connection, counters: Counters) {
    this.#rows = new GroupRows(connection);
    this.#counters = counters;
    this.#insert = connection.write('INSERT INTO groups (id, path, group_ino, current_ino) VALUES (?, ?, ?, ?)');
    this.#delete = connection.write('DELETE FROM groups WHERE id = ?');
    this.#setCurrent = connection.write('UPDATE groups SET current_ino = ? WHERE id = ?');
  }

  find(id: number): Group | undefined {
    return this.#rows.find(id);
  }

  findByName(name: GroupName): Group | undefined {
    return this.#rows.findByName(name);
  }

  list(): Group[] {
    return this.#rows.list();
  }

  allocateId(): number {
    const { meta } = this.#counters;
    meta.nextGroup += 1;
    return meta.nextGroup - 1;
  }

  /** @throws {CairnError} `corrupt` where a change names a group that does not exist */
  require(id: number): Group {
    const group = this.find(id);
    if (group === undefined) throw new CairnError('corrupt', `A change names group ${id}, which does not exist`);
    return group;
  }

  insert(group: Group): void {
    this.#insert.run(group.id, groupPath(group.name), group.groupIno, group.currentIno);
    this.noteUsed(group.id);
  }

  /** Says that the number belongs to a group that is being made. */
  noteUsed(id: number): void {
    const { meta } = this.#counters;
    if (id >= meta.nextGroup) meta.nextGroup = id + 1;
  }

  /** The group has another live tree from now on. */
  setCurrent(id: number, currentIno: number): void {
    this.#setCurrent.run(currentIno, id);
  }

  remove(id: number): void {
    this.#delete.run(id);
  }
}
