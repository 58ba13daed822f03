// Finds in a stack the topmost frame of the user's own code, and names it so that it stays the same from one deploy to the
// next: the function and the end of its file's path, without line numbers, folders of a release and hashes of a bundler.
import { fileURLToPath } from 'node:url'
import type { StoredError } from '../../job/index.js'

/** Drover's own files, which may lie outside of a node_modules folder. */
const OWN_FOLDER = fileURLToPath(new URL('../../', import.meta.url)).replaceAll('\\', '/')
const MAX_FRAMES = 50
const MAX_LINE = 1_024
const MAX_NAME = 80
const FOREIGN = /(?:^|\/)node_modules\/|^node:|^internal\/|^native$|^<anonymous>$|^wasm:|^\[eval/
const PLACE = /^(.*?)(?::\d+){1,2}$/

/** `sendMail mail/send.ts`; undefined where no frame of the stack is the user's own. */
export function ownFrameOf({ stack, message }: Pick<StoredError, 'stack' | 'message'>): string | undefined {
  if (stack === undefined) return undefined
  // The message stands before the frames and may look like one.
  const at = message === '' ? 0 : stack.indexOf(message)
  const frames = stack.slice(at < 0 ? 0 : at + message.length).split('\n', MAX_FRAMES + 1)
  for (const line of frames) {
    const frame = line.length > MAX_LINE ? undefined : readFrame(line.trim())
    if (frame !== undefined) return frame
  }
  return undefined
}

function readFrame(line: string): string | undefined {
  if (!line.startsWith('at ')) return undefined
  const open = line.endsWith(')') ? line.lastIndexOf(' (') : -1
  const place = open < 0 ? line.slice(3) : line.slice(open + 2, -1)
  // Without a line it is no file: `async Promise.all (index 0)`.
  const file = (PLACE.exec(place)?.[1] ?? '')
    .replace(/^async /, '')
    .replace(/^file:\/\//, '')
    .replaceAll('\\', '/')
  if (file === '' || FOREIGN.test(file) || file.startsWith(OWN_FOLDER)) return undefined
  const name = open < 0 ? '' : functionName(line.slice(3, open))
  return `${name} ${shortPath(file)}`.trim().slice(0, MAX_NAME)
}

// `Object.run [as handler]` is called run wherever it hangs.
function functionName(text: string): string {
  const name = text
    .replace(/^async /, '')
    .replace(/^new /, '')
    .replace(/ \[as .*$/, '')
  return name.slice(name.lastIndexOf('.') + 1).replace(/^<anonymous>$/, '')
}

/** The file and its folder: what stands before differs between machines and releases. */
function shortPath(file: string): string {
  const path = file.split('?', 1)[0] ?? ''
  const [name = '', folder = ''] = path.split('/').reverse()
  return `${masked(folder)}/${masked(name)}`.replace(/^\//, '')
}

// `main-4f2a9c1b.js` of a bundler, `release-20261122` of a deploy.
function masked(part: string): string {
  return part.replace(/[-._](?=[A-Za-z]*\d)[A-Za-z0-9]{8,}(?=[-._]|$)/g, '-*').replace(/\d+/g, '0')
}
