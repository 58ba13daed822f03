// The health server of `drover worker`, where the settings ask for one: for one process or for a supervisor's alike.
import type { Logger } from 'pino'
import type { Settings } from '../config/index.js'
import { type HealthServer, type HealthServerOptions, startHealthServer } from '../worker/index.js'

/** Undefined without a port in the settings. @throws PortInUseError, InvalidOptionError */
export async function openHealth(
  { healthPort, healthHost }: Settings,
  logger: Logger,
  read: HealthServerOptions['read'],
): Promise<HealthServer | undefined> {
  if (healthPort === undefined) return undefined
  const server = await startHealthServer({ host: healthHost, port: healthPort, read })
  logger.info({ host: healthHost, port: server.port }, 'health checks and metrics ready')
  return server
}
