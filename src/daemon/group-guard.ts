import { type GroupName, groupPath } from '../core/group.js';

/** Who writes to which group, where other machines use the same object store. */
export interface GroupWriters {
  /** @throws {CairnError} `read-only` saying which machine writes to the group */
  requireOurs(group: string): void;
  /** Makes this machine the group's writer. @throws {CairnError} `busy` where another one is */
  takeOver(group: string): Promise<void>;
}

/** Keeps everything but the mount's own requests, which `guardForeignGroups` does, from changing others' groups. */
export class GroupGuard {
  #writers: GroupWriters | undefined;

  /** From now on groups may be other machines'. */
  use(writers: GroupWriters): void {
    this.#writers = writers;
  }

  /** @throws {CairnError} `read-only` where another machine writes to the group */
  requireOurs(group: GroupName): void {
    this.#writers?.requireOurs(groupPath(group));
  }

  /** Makes this machine a new group's writer. @throws {CairnError} `busy` where another one is */
  async claim(group: GroupName): Promise<void> {
    await this.#writers?.takeOver(groupPath(group));
  }
}
