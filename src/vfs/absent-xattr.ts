import { CairnError } from '../core/errors.js';

const SELINUX = Buffer.from('security.selinux');

/**
 * What to say of an extended attribute that a node does not have. `ls -l` asks for each file's SELinux label, and the kernel
 * remembers no answer; where labels are said to be unsupported, it asks no more on that file system.
 */
export function absentXattr(name: Uint8Array): CairnError {
  if (SELINUX.equals(name)) return new CairnError('unsupported', 'There is no SELinux label');
  return new CairnError('no-attribute', 'No such extended attribute');
}
