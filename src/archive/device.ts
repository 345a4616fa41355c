/** A device number in its two parts, as a DEVICE item has it (pbs-format §6.1). */
export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/** What Linux allows: 12 bits of major and 20 bits of minor number. */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xf_ffff;

/** The parts of a device number as makedev(3) packs it, low 32 bits. */
export function deviceParts(rdev: number): DeviceNumber {
  return { major: (rdev >>> 8) & MAX_MAJOR, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xf_ff00) };
}

/** The device number as makedev(3) packs it, or undefined where Linux has none such. */
export function packDevice({ major, minor }: DeviceNumber): number | undefined {
  if (major > MAX_MAJOR || minor > MAX_MINOR) return undefined;
  return ((minor & 0xff) | (major << 8) | ((minor & 0xf_ff00) << 12)) >>> 0;
}
