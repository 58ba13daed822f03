// The door of the HTTP API, `drover/http`: a router for Express, and the tokens that let clients in.
export {
  createToken,
  listTokens,
  MAX_COPY_AGE_MS,
  type NewToken,
  revokeToken,
  type TokenRecord,
} from './access-list.js'
export { createHttpApi, type HttpApi } from './create-http-api.js'
export type { HttpApiOptions } from './options.js'
export { type Access, SCOPES, type Scope } from './scopes.js'
