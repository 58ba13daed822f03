// The overview as JSON: `Overview` of overview-data.ts, or 503 with the usual problem while Redis is down.
import type { Request, Response } from 'express'
import { answerProblem } from '../problems.js'
import type { Shared } from '../shared.js'

export async function showOverviewJson(request: Request, response: Response, { overview }: Shared): Promise<void> {
  const state = await overview.read()
  if (state.problem === undefined) response.json(state.overview)
  else answerProblem(request, response, state.problem)
}
