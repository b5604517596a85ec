-- ARGV: the time in microseconds, then for each entry: id, hits.
for at = 2, #ARGV, 2 do
  local id = ARGV[at]
  if redis.call('HEXISTS', base .. 'sizes', id) == 1 then
    redis.call('ZADD', base .. 'used', ARGV[1], id)
    redis.call('HINCRBY', base .. 'hits', id, ARGV[at + 1])
  end
end
return 0
