--[[
  Part of count-retried.lua and commit.lua: adds a failed attempt to those that are kept with the job, one line of JSON
  each: its first and the newest 19.
]]
local function keepAttempt(jobKey, line)
  local kept = redis.call('HGET', jobKey, 'drover:attempts')
  if kept and select(2, string.gsub(kept, '\n', '')) >= 19 then
    local first = string.find(kept, '\n', 1, true)
    local second = string.find(kept, '\n', first + 1, true)
    kept = string.sub(kept, 1, first) .. string.sub(kept, second + 1)
  end
  redis.call('HSET', jobKey, 'drover:attempts', kept and kept .. '\n' .. line or line)
end
