import { CairnError } from './errors.js';

/** What PBS calls the type of a backup; the first folder of a group's path. */
export type GroupType = 'host' | 'vm' | 'ct';

/** The group types in the order PBS sorts them (pbs-format §1.5). */
export const GROUP_TYPES: readonly GroupType[] = ['ct', 'host', 'vm'];

/** A backup group: `<ns path>/<type>/<id>`; `namespace` lists the components, empty for the root namespace. */
export interface GroupName {
  readonly namespace: readonly string[];
  readonly type: GroupType;
  readonly id: string;
}

const ID = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
const MAX_NAMESPACE_DEPTH = 7;
const MAX_NAMESPACE_CHARACTERS = 256;
const MAX_ID_CHARACTERS = 255;

/** Whether `text` may name a group or one component of a namespace (pbs-format §1.5, §10). */
export function isLegalId(text: string): boolean {
  return text.length <= MAX_ID_CHARACTERS && ID.test(text);
}

/** Whether `text` is one of the group types. */
export function isGroupType(text: string): text is GroupType {
  return text === 'host' || text === 'vm' || text === 'ct';
}

/** Whether the components make a legal namespace: each a legal id, depth ≤ 7, ≤ 256 characters when joined by `/`. */
export function isLegalNamespace(components: readonly string[]): boolean {
  return (
    components.length <= MAX_NAMESPACE_DEPTH &&
    components.join('/').length <= MAX_NAMESPACE_CHARACTERS &&
    components.every(isLegalId)
  );
}

/** The group's folder relative to the datastore, e.g. `ns/a/ns/b/host/web1`. */
export function groupPath(group: GroupName): string {
  return [...group.namespace.flatMap((component) => ['ns', component]), group.type, group.id].join('/');
}

/**
 * Reads a group's path as `groupPath` writes it; surplus slashes are ignored.
 * @throws {CairnError} `invalid`, naming what is wrong and what is wanted
 */
export function parseGroupPath(path: string): GroupName {
  const parts = path.split('/').filter((part) => part !== '');
  const namespace: string[] = [];
  let at = 0;
  while (parts[at] === 'ns' && parts[at + 1] !== undefined) {
    namespace.push(parts[at + 1] as string);
    at += 2;
  }
  const [type, id, ...rest] = parts.slice(at);
  const wanted = 'wanted is TYPE/ID such as host/web1, with TYPE one of host, vm, ct';
  if (type === undefined || !isGroupType(type)) {
    throw new CairnError('invalid', `Not a group: ${JSON.stringify(path)}; ${wanted}`);
  }
  if (id === undefined || rest.length > 0 || !isLegalId(id)) {
    throw new CairnError('invalid', `Not a group: ${JSON.stringify(path)}; ${wanted} and ID of A-Z a-z 0-9 . _ -`);
  }
  if (!isLegalNamespace(namespace)) {
    throw new CairnError('invalid', `Not a namespace: ${JSON.stringify(namespace.join('/'))}`);
  }
  return { namespace, type, id };
}
