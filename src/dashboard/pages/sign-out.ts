// Ends the session for good and goes to the sign-in page.
import type { Request, Response } from 'express'
import type { Shared } from '../shared.js'
import { visitOf } from '../visit.js'

export async function takeSignOut(request: Request, response: Response, { signIn }: Shared): Promise<void> {
  const { base } = visitOf(response)
  response.setHeader('Set-Cookie', await signIn.endCookie(request, base))
  response.redirect(303, `${base}/sign-in`)
}
