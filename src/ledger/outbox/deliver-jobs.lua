--[[
  Puts jobs from another queue's outbox into this queue, each once, however often it comes: what was delivered stays noted
  until the outbox is known not to have it any more. It must be atomic: a job without its note would come twice.
  An outbox is emptied from its oldest job on, so that its first place says what is gone.

  KEYS[1]  inbox of the other queue, hash: `fence`, and place -> id of the jobs delivered last
  ARGV[1]  fence of the read (read-outbox.lua)
  then, for each job, its place, its id and its words, packed (add-staged-job.lua, from `kind` on)
  Returns  'fence' and the one that was here, which is higher: nothing was done; or 'ok', how many of the jobs are in, and
           why the next one is not, or ''
]]
--@ADD_STAGED_JOB@
local inbox = KEYS[1]
local known = redis.call('TYPE', inbox).ok
if known ~= 'none' and known ~= 'hash' then
  return { 'ok', '0', 'the key ' .. inbox .. ' holds a ' .. known .. ', the outbox needs a hash' }
end
local fence = redis.call('HGET', inbox, 'fence') or '0'
if tonumber(fence) > tonumber(ARGV[1]) then
  return { 'fence', fence }
end
redis.call('HSET', inbox, 'fence', ARGV[1])

local function isBefore(a, b)
  local ams, aseq = string.match(a, '^(%d+)-(%d+)$')
  local bms, bseq = string.match(b, '^(%d+)-(%d+)$')
  if ams == bms then
    return tonumber(aseq) < tonumber(bseq)
  end
  return tonumber(ams) < tonumber(bms)
end

local notes = redis.call('HGETALL', inbox)
local noted = {}
for i = 1, #notes, 2 do
  if notes[i] ~= 'fence' and isBefore(notes[i], ARGV[2]) then
    redis.call('HDEL', inbox, notes[i])
  else
    noted[notes[i]] = notes[i + 1]
  end
end

for at = 2, #ARGV, 3 do
  local place, id = ARGV[at], ARGV[at + 1]
  if noted[place] ~= id then
    local words = cmsgpack.unpack(ARGV[at + 2])
    local reason = checkStagedWords(words)
    if reason then
      return { 'ok', tostring((at - 2) / 3), reason }
    end
    addStagedWords(words)
    redis.call('HSET', inbox, place, id)
  end
end
return { 'ok', tostring((#ARGV - 1) / 3), '' }
