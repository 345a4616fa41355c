import assert from 'node:assert/strict';

/** Asserts that `action` fails with one of these errno names. */
export function hasErrno(code: string | readonly string[], action: () => unknown): void {
  const allowed = typeof code === 'string' ? [code] : code;
  let result: unknown;
  try {
    result = action();
  } catch (error) {
    const found = (error as NodeJS.ErrnoException).code?.replace(/^ENOTSUP$/, 'EOPNOTSUPP');
    if (found === undefined || !allowed.includes(found)) {
      assert.fail(`wanted ${allowed.join(' or ')}, got ${found ?? String(error)}`);
    }
    return;
  }
  assert.fail(`wanted ${allowed.join(' or ')}, but it succeeded with ${String(result)}`);
}
