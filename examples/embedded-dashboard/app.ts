// An app of one's own with the dashboard in it: the app's own sessions say who may see it, and with which role. Mounted
// below any path, also behind a proxy.
import { createProducer, defineJob, type Producer } from 'drover'
import { createDashboard, type Dashboard, type Role } from 'drover/dashboard'
import express, { type Express } from 'express'
import { z } from 'zod'

/** Who is signed in to the app, by the id of their session; an app has these in its database. */
export type Sessions = ReadonlyMap<string, { readonly email: string; readonly role?: Role }>

export const resize = defineJob({
  name: 'image.resize',
  queue: 'media',
  input: z.object({ url: z.url(), width: z.int().positive() }),
})

export interface App {
  readonly app: Express
  readonly producer: Producer
  readonly dashboard: Dashboard
}

export function createApp(sessions: Sessions, redis: string): App {
  const app = express()
  // One proxy in front, which ends TLS: Host and scheme of the browser are in its X-Forwarded headers.
  app.set('trust proxy', 1)
  const producer = createProducer({ redis })
  const dashboard = createDashboard({
    redis,
    // Operators add jobs by a form made from the contract, through the app's own producer.
    contracts: [resize],
    producer,
    authorize: ({ headers }) => {
      const id = /(?:^|; )session=([\w-]+)/.exec(headers.cookie ?? '')?.[1]
      const user = id === undefined ? undefined : sessions.get(id)
      // Who has no role in the app's books does not see the dashboard at all.
      return user?.role && { name: user.email, role: user.role }
    },
  })
  app.use('/admin/jobs', dashboard)
  app.get('/', (_request, response) => {
    response.send('the app itself')
  })
  return { app, producer, dashboard }
}
