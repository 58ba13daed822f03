// Named places at which a process of a fault run kills itself, so that a kill can be put between any two steps:
// DROVER_CRASH_AT=<name> or <name>:<n>, for the n-th time the place is passed. The places around a script are found by
// wrapping ioredis' public `defineCommand` and `sendCommand` in this process; nothing of it is in Drover itself.
import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'

/** Names of Drover's and BullMQ's scripts, for the places `before-`, `sent-` and `after-` around them. */
const SCRIPTS = {
  commit: ['droverCommit'],
  fetch: ['moveToActive'],
  retry: ['retryJob', 'moveToDelayed'],
  'hand-back': ['moveJobFromActiveToWait'],
  stalled: ['moveStalledJobsToWait'],
  add: ['addStandardJob', 'addDelayedJob', 'addPrioritizedJob'],
}

const die = () => process.kill(process.pid, 'SIGKILL')

/** Gives the function that is called at each place, with its name. */
export function installCrashPoint(wanted) {
  if (!wanted) return () => undefined
  const [name, times = '1'] = wanted.split(':')
  let left = Number(times)
  const pass = (place, { later = false } = {}) => {
    if (place !== name || --left !== 0) return
    // Later: in the next turn of the event loop, when what was written is on its way.
    if (later) setImmediate(die)
    else die()
  }
  const match = /^(before|sent|after)-(.+)$/.exec(name)
  if (match && Object.hasOwn(SCRIPTS, match[2])) wrapScripts(match[2], pass)
  return pass
}

function wrapScripts(group, pass) {
  const ids = new Set()
  const define = Redis.prototype.defineCommand
  Redis.prototype.defineCommand = function (name, definition) {
    if (SCRIPTS[group].includes(name.split(':')[0])) {
      ids.add(createHash('sha1').update(definition.lua).digest('hex'))
    }
    return define.call(this, name, definition)
  }
  const send = Redis.prototype.sendCommand
  Redis.prototype.sendCommand = function (command, ...rest) {
    const [id] = command.args
    // A Redis function is named after the script that it stands for.
    const isOurs = command.name === 'fcall' ? SCRIPTS[group].includes(id.split('_')[1]) : ids.has(id)
    if (!isOurs) return send.call(this, command, ...rest)
    pass(`before-${group}`)
    const reply = send.call(this, command, ...rest)
    pass(`sent-${group}`, { later: true })
    command.promise.then(
      (value) => {
        // A fetch without a job is not one.
        if (group !== 'fetch' || value?.[0]) pass(`after-${group}`)
      },
      () => undefined,
    )
    return reply
  }
}
