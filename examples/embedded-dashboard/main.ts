// Starts the app on port 3000: http://127.0.0.1:3000/admin/jobs with the cookie session=ann.
import { createApp } from './app.js'

const sessions = new Map([
  ['ann', { email: 'ann@example.com', role: 'operator' as const }],
  ['bob', { email: 'bob@example.com' }],
])
const { app, producer, dashboard } = createApp(sessions, process.env.REDIS_URL ?? 'redis://127.0.0.1:6379')
const server = app.listen(3000, '127.0.0.1')
process.once('SIGTERM', async () => {
  await dashboard.close()
  await producer.close()
  server.close()
})
