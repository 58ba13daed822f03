// Where paused job names stand: the field of BullMQ's meta hash that has them, and the times of the jobs put aside.

export const HELD_FIELD = 'drover:held'
/** A job put aside is delayed until this time, milliseconds since 1970, or later: held-functions.lua has the same number. */
export const HELD_SINCE_MS = 4e12

/** The names in the field of the meta hash. */
export function parseHeld(field: string | null): string[] {
  const names = (field ?? '').split(' ').filter((name) => name !== '' && !name.startsWith('>'))
  return names.sort()
}
