// Whether this process serves requests. It says nothing about Redis: restarting the dashboard would not mend that.
import type { Request, Response } from 'express'

export function showLive(_request: Request, response: Response): void {
  response.json({ status: 'ok' })
}
