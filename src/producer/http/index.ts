// The door of the HTTP API, `drover/http`: a router for Express, and the tokens that let clients in.
export {
  type Access,
  createToken,
  listTokens,
  MAX_COPY_AGE_MS,
  type NewToken,
  revokeToken,
  SCOPES,
  type Scope,
  type TokenRecord,
} from '../../ledger/index.js'
export { createHttpApi, type HttpApi } from './create-http-api.js'
export type { HttpApiOptions } from './options.js'
