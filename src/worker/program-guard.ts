// Programs end with their worker, however that ends. Where it ends by itself it kills them; where it is killed, a shell of
// a few kilobytes beside it does, which sees that the pipe from the worker has closed.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'

// Reads which process groups come and go, each as PID:START; what is left when the worker is gone is killed, unless its number
// is another process's by now. Only builtins: it needs no PATH.
export const WATCH = `
trap '' TERM INT HUP
groups=' '
while read -r sign group; do
  case "$sign$groups" in
    +*) groups="$groups$group " ;;
    -*" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do
  pid=\${group%%:*} start=\${group#*:} stat=
  if [ -r "/proc/$pid/stat" ]; then
    while read -r line; do stat="$stat $line"; done < "/proc/$pid/stat"
  fi
  set -- \${stat##*) }
  if [ "\${20:-$start}" = "\${start:-\${20}}" ]; then kill -s KILL -- "-$pid"; fi
done
`

/** A process group of its own, which a program leads. */
export interface ProgramGroup {
  readonly pid: number
  /** When the program began, in ticks since the boot; empty where the system does not tell. */
  readonly start: string
}

const groups = new Set<ProgramGroup>()
let watch: ChildProcess | undefined
/** A system without a shell: there a program runs to its end when its worker was killed. */
let hasNoShell = process.platform === 'win32'

/** Call it right after the start of a program that leads a process group of its own, before it can have been waited for. */
export function endWithWorker(child: ChildProcess): ProgramGroup | undefined {
  const { pid } = child
  if (pid === undefined) return undefined
  const group = { pid, start: startOf(pid) }
  if (groups.size === 0) process.on('exit', killAll)
  groups.add(group)
  if (watch === undefined) startWatch()
  else tell('+', group)
  child.once('close', () => {
    groups.delete(group)
    tell('-', group)
    if (groups.size === 0) process.off('exit', killAll)
  })
  return group
}

/**
 * Does nothing when all of the group has ended, also where its number is another process's by now. While the program is gone
 * and others of its group are left, the system gives the number to nobody.
 */
export function signalGroup({ pid, start }: ProgramGroup, signal: NodeJS.Signals): void {
  const now = startOf(pid)
  if (now !== '' && start !== '' && now !== start) return
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** When the process of this number began; empty where there is none, or the system has no /proc. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in brackets, may hold anything; behind it comes field 3, and the start is field 22.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function killAll(): void {
  for (const group of groups) signalGroup(group, 'SIGKILL')
}

function startWatch(): void {
  if (hasNoShell) return
  try {
    watch = spawnWatch()
  } catch {
    // No memory for one more process, say: this program goes without, and the next one tries again.
    return
  }
  for (const group of groups) tell('+', group)
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

function tell(sign: '+' | '-', { pid, start }: ProgramGroup): void {
  if (watch?.stdin?.writable) watch.stdin.write(`${sign} ${pid}:${start}\n`)
}
