// Where the thread or process of an isolated handler starts: finds the link to its worker, and serves attempts over it.
import { isMainThread, type MessagePort, workerData } from 'node:worker_threads'
import { markIsolatedChild } from '../isolated-mark.js'
import { type ChildLink, serveAttempts } from './serve-attempts.js'
import { watchParent } from './watch-parent.js'

markIsolatedChild()
serveAttempts(isMainThread ? processLink() : threadLink((workerData as { port: MessagePort }).port))

function threadLink(port: MessagePort): ChildLink {
  return {
    post: (message, sent) => {
      port.postMessage(message)
      // What was posted is the worker's already.
      sent?.()
    },
    listen: (take) => void port.on('message', take),
  }
}

function processLink(): ChildLink {
  watchParent()
  // The worker says when we end, also where a terminal or a service manager signals all its processes.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
  process.once('disconnect', () => process.exit(0))
  return {
    post: (message, sent) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => sent?.())
    },
    listen: (take) => void process.on('message', take),
  }
}
