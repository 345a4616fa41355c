import type { Awaitable, NameOperations, NodeId, Vfs } from './api.js';
import type { KernelReferences } from './live/kernel-references.js';

/** The same vfs, with all that its user gets to know and forgets written down in `references`. */
export function countReferences(vfs: Vfs, references: KernelReferences): Vfs {
  return {
    ...vfs,
    names: countNames(vfs.names, references),
    folders: {
      ...vfs.folders,
      reference(node) {
        references.add(node);
        vfs.folders.reference(node);
      },
    },
  };
}

function countNames(names: NameOperations, references: KernelReferences): NameOperations {
  const entry = <T extends { readonly node: NodeId } | undefined>(outcome: Awaitable<T>) =>
    counted(outcome, (attributes) => attributes?.node, references);
  const created = <T extends { readonly attributes: { readonly node: NodeId } }>(outcome: Awaitable<T>) =>
    counted(outcome, ({ attributes }) => attributes.node, references);
  return {
    ...names,
    lookup: (parent, name) => entry(names.lookup(parent, name)),
    create: (...args) => created(names.create(...args)),
    temporary: (...args) => created(names.temporary(...args)),
    makeNode: (...args) => entry(names.makeNode(...args)),
    makeFolder: (...args) => entry(names.makeFolder(...args)),
    symlink: (...args) => entry(names.symlink(...args)),
    link: (...args) => entry(names.link(...args)),
    forget(node, count) {
      references.remove(node, count);
      names.forget(node, count);
    },
  };
}

function counted<T>(
  outcome: Awaitable<T>,
  nodeOf: (value: T) => NodeId | undefined,
  references: KernelReferences,
): Awaitable<T> {
  if (outcome instanceof Promise) return outcome.then((value) => counted(value, nodeOf, references));
  const node = nodeOf(outcome);
  if (node !== undefined) references.add(node);
  return outcome;
}
