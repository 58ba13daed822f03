// The roles of bull-board's routes against those that the pinned bull-board has.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { BOARD_ROUTES } from '../../../src/dashboard/board/board-actions.js'

const require = createRequire(import.meta.url)
// The package lets only some of its files be imported by name.
const folder = dirname(require.resolve('@bull-board/api'))
const { appRoutes, buildHistoryRoutes } = require(join(folder, 'routes.js')) as {
  appRoutes: { api: { method: string | string[]; route: string | string[] }[] }
  buildHistoryRoutes: (provider: object, has: object) => { method: string; route: string }[]
}

const shapeOf = (method: string, path: string) => `${method.toUpperCase()} ${path.replace(/:\w+/g, ':')}`
const decided = BOARD_ROUTES.map(({ method, path }) => shapeOf(method, path))
const own = [...appRoutes.api, ...buildHistoryRoutes({}, { hasLatency: true })].flatMap(({ method, route }) =>
  [route].flat().flatMap((path) => [method].flat().map((each) => shapeOf(each, path))),
)

it('has a role for every route of bull-board, and none that bull-board has not', () => {
  expect([...decided].sort()).toEqual([...new Set(own)].sort())
})

it('lets an admin alone remove what cannot be brought back', () => {
  for (const { path, role, action } of BOARD_ROUTES) {
    if (/remove|clean|empty|obliterate/.test(`${path} ${action}`)) expect([path, role]).toEqual([path, 'admin'])
    expect(role === 'viewer').toBe(action === undefined)
  }
})
