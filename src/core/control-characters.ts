const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Text as it can be shown on one line of a terminal: what would steer it or break the line (C0, DEL and C1) is shown as `\n`,
 * `\x1b` and so on. Names of files may hold any of it.
 */
export function escapeControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be shown
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    return NAMED[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
