import { describe, expect, it } from 'vitest'
import { ROUTES } from '../../../src/dashboard/routes.js'

describe('the routes', () => {
  it('change nothing by GET and something by POST', () => {
    for (const { method, path, changes } of ROUTES) {
      expect([path, changes === 'nothing']).toEqual([path, method === 'GET'])
    }
  })

  it('are open without a sign-in only where nothing of a job shows', () => {
    const open = ROUTES.filter(({ role }) => role === 'none').map(({ method, path }) => `${method} ${path}`)
    expect(open).toEqual([
      'GET /sign-in',
      'POST /sign-in',
      'POST /sign-out',
      'GET /livez',
      'GET /readyz',
      'GET /assets/page.css',
      'GET /assets/frame.css',
      'GET /assets/tables.css',
      'GET /assets/overview.css',
      'GET /assets/verdict.css',
      'GET /assets/jobs.css',
      'GET /assets/errors.css',
      'GET /assets/add.css',
      'GET /assets/board.css',
      'GET /assets/live.js',
      'GET /assets/change.js',
      'GET /assets/chart.js',
      'GET /assets/uplot.js',
      'GET /assets/uplot.css',
      'GET /assets/drover.svg',
    ])
  })
})
