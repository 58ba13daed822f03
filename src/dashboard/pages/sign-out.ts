// Ends the session for good and goes to the sign-in page.
import type { Request, Response } from 'express'
import type { Shared } from '../shared.js'
import { visitOf } from '../visit.js'

export function takeSignOut(request: Request, response: Response, { signIn }: Shared): void {
  const { base } = visitOf(response)
  response.setHeader('Set-Cookie', signIn.endCookie(request, base))
  response.redirect(303, `${base}/sign-in`)
}
