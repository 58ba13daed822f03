-- Makes finished jobs like those that already finished: each gets the job hash, its place among the finished, its result
-- record, and where it failed its place in the error group, as BullMQ and Drover write them. For the bench alone.
-- KEYS: [1] BullMQ's set of completed or failed jobs, [2] the error group's set of jobs, [3] the set of a tag
-- ARGV: [1] what BullMQ's job keys start with, [2] what result keys start with, [3] what the new ids start with,
--       [4] number of the first, [5] how many, [6] when the first finished (ms), [7] ms between two,
--       [8] result TTL (ms), [9] "1" when KEYS[2] is used, [10] "1" when KEYS[3] is used, [11...] ids of jobs to be like
-- Returns how many were made.
local templates = #ARGV - 10
local records = {}
-- Each record as the three parts around its id and its time.
for each = 1, templates do
  local like = ARGV[10 + each]
  local record = redis.call('GET', ARGV[2] .. like)
  if record then
    local before, behind = string.find(record, '"id":"' .. like .. '"', 1, true)
    local from, to = string.find(record, '"finishedAt":%d+', behind)
    records[each] = {
      string.sub(record, 1, before - 1) .. '"id":"',
      '"' .. string.sub(record, behind + 1, from - 1) .. '"finishedAt":',
      string.sub(record, to + 1),
    }
  end
end
for n = tonumber(ARGV[4]), tonumber(ARGV[4]) + tonumber(ARGV[5]) - 1 do
  local template = n % templates + 1
  local like = ARGV[10 + template]
  local id = ARGV[3] .. n
  local at = tonumber(ARGV[6]) + (n - tonumber(ARGV[4])) * tonumber(ARGV[7])
  redis.call('COPY', ARGV[1] .. like, ARGV[1] .. id)
  redis.call('HSET', ARGV[1] .. id, 'timestamp', at - 2000, 'processedOn', at - 300, 'finishedOn', at)
  redis.call('ZADD', KEYS[1], at, id)
  local record = records[template]
  if record then
    local text = record[1] .. id .. record[2] .. string.format('%.0f', at) .. record[3]
    redis.call('SET', ARGV[2] .. id, text, 'PX', ARGV[8])
  end
  if ARGV[9] == '1' then redis.call('ZADD', KEYS[2], at, id) end
  if ARGV[10] == '1' then redis.call('ZADD', KEYS[3], at - 2000, id) end
end
return tonumber(ARGV[5])
