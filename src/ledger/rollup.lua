--[[
  Sums the minutes of one past hour into the hash of that hour. It must be atomic: two workers doing it at
  once, or one that dies halfway, must leave each minute in the hour exactly once.

  KEYS[1]      hash of the hour
  KEYS[2..61]  hashes of its 60 minutes; they stay until their TTL ends
  ARGV[1]      TTL of the hour, seconds
  Returns      1 when the hour was written; 0 when it was there already, or none of its minutes is
]]
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local counters, sums, found = {}, {}, false
for i = 2, 61 do
  local fields = redis.pcall('HGETALL', KEYS[i])
  if not fields.err then
    for at = 1, #fields, 2 do
      found = true
      local field, count = fields[at], fields[at + 1]
      if string.sub(field, 1, 1) == '#' then
        -- A user counter may use all 64 bits, more than a Lua number holds exactly: Redis adds these.
        counters[#counters + 1] = { field, count }
      else
        sums[field] = (sums[field] or 0) + (tonumber(count) or 0)
      end
    end
  end
end
if not found then
  return 0
end
for field, sum in pairs(sums) do
  redis.call('HSET', KEYS[1], field, string.format('%.0f', sum))
end
for _, counter in ipairs(counters) do
  redis.pcall('HINCRBY', KEYS[1], counter[1], counter[2])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
