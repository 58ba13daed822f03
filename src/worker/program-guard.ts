// Programs end with their worker, however that ends. Where it ends by itself it kills them; where it is killed, a shell of
// a few kilobytes beside it does, which sees that the pipe from the worker has closed.
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

// Reads which process groups come and go; what is left when the worker is gone is killed. Only builtins: it needs no PATH.
const WATCH = `
trap '' TERM INT HUP
groups=' '
while read -r sign group; do
  case "$sign$groups" in
    +*) groups="$groups$group " ;;
    -*" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
`

const groups = new Set<number>()
let watch: ChildProcess | undefined
/** A system without a shell: there a program runs to its end when its worker was killed. */
let hasNoShell = process.platform === 'win32'

/** Call it right after the start of a program that leads a process group of its own. */
export function endWithWorker(child: ChildProcess): void {
  const { pid } = child
  if (pid === undefined) return
  if (groups.size === 0) process.on('exit', killAll)
  groups.add(pid)
  if (watch === undefined) startWatch()
  else tell('+', pid)
  child.once('close', () => {
    groups.delete(pid)
    tell('-', pid)
    if (groups.size === 0) process.off('exit', killAll)
  })
}

/** Does nothing when all of the group has ended. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function killAll(): void {
  for (const pid of groups) signalGroup(pid, 'SIGKILL')
}

function startWatch(): void {
  if (hasNoShell) return
  try {
    watch = spawnWatch()
  } catch {
    // No memory for one more process, say: this program goes without, and the next one tries again.
    return
  }
  for (const pid of groups) tell('+', pid)
}

function spawnWatch(): ChildProcess {
  // In a group of its own, so that what is sent to all of the worker's does not end it; without the worker's secrets.
  const started = spawn('/bin/sh', ['-c', WATCH], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: {},
  })
  started.on('error', () => {
    hasNoShell = true
  })
  // Somebody ended it: the next program starts another one, which is told of all.
  started.once('exit', () => {
    if (watch === started) watch = undefined
  })
  started.stdin?.on('error', () => undefined)
  started.unref()
  ;(started.stdin as Socket | null)?.unref()
  return started
}

function tell(sign: '+' | '-', pid: number): void {
  if (watch?.stdin?.writable) watch.stdin.write(`${sign} ${pid}\n`)
}
