const NAME_MAX_BYTES = 255;
const ESCAPED: Readonly<Record<string, string>> = { '/': '%2F', '%': '%25', '\0': '%00' };
const PLAIN: Readonly<Record<string, string>> = { '%2F': '/', '%25': '%', '%00': '\0', '%2E': '.' };

/** The file name an object's id has: the id, but for what no name may have. Undefined where that is too long for a name. */
export function fileNameOfObject(id: string): Uint8Array | undefined {
  const isDots = id === '.' || id === '..';
  const text = isDots ? id.replaceAll('.', '%2E') : id.replace(/[/%\0]/g, (character) => ESCAPED[character] as string);
  const name = Buffer.from(text);
  return name.length <= NAME_MAX_BYTES ? name : undefined;
}

/** The id of the object that has this file name; undefined where none can have it. */
export function objectOfFileName(name: Uint8Array): string | undefined {
  const text = Buffer.from(name).toString();
  const id = text.replace(/%(2F|25|00|2E)/g, (escaped) => PLAIN[escaped] as string);
  const again = fileNameOfObject(id);
  return again !== undefined && Buffer.compare(again, name) === 0 ? id : undefined;
}
