--[[
  Tells the state of one limit, of one moment.

  KEYS[1]  held, hash (limit-functions.lua)
  ARGV[1]  base of our keys, "{prefix:queue}:"
  ARGV[2]  base of BullMQ's keys of the queue
  ARGV[3]  ID of the limit
  ARGV[4]  id of a job, or ''
  Returns  nil when nothing is kept of it; else texts: spec; permits out; jobs in line; starts that the rate lets through
           now; ms since 1970 from which it lets one through, '' for now; the ID whose permit the job has, or ''; the
           job's place in line, or ''
]]
--@LIMITS@
local base, bull, id, job = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local limits = openLines(base, bull)
local line = base .. 'limit:line:' .. id
local parked = redis.call('ZCARD', line)
local known = redis.call('EXISTS', base .. 'limit:key:' .. id, base .. 'limit:log:' .. id)
if known == 0 and parked == 0 then
  return false
end
local key = limits.read(id)
local left, at = openRates(limits).room(key)
return {
  key.spec, tostring(key.held), tostring(parked), tostring(left), at and string.format('%.0f', at) or '',
  job ~= '' and redis.call('HGET', KEYS[1], job) or '', tostring(job ~= '' and redis.call('ZRANK', line, job) or ''),
}
