-- ARGV: the cap in bytes, then for each entry: id, about, frames, checksum, size, created and expires in microseconds.
local cap = tonumber(ARGV[1])
for at = 2, #ARGV, 7 do
  local id, size, created, expires = ARGV[at], ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]
  remove(id)
  local entry = base .. 'entry:' .. id
  redis.call('HSET', entry, 'about', ARGV[at + 1], 'frames', ARGV[at + 2], 'checksum', ARGV[at + 3])
  redis.call('PEXPIREAT', entry, string.format('%.0f', tonumber(expires) / 1000))
  redis.call('HSET', base .. 'sizes', id, size)
  redis.call('INCRBY', base .. 'bytes', size)
  redis.call('ZADD', base .. 'used', created, id)
  redis.call('ZADD', base .. 'created', created, id)
  redis.call('ZADD', base .. 'expires', expires, id)
end
local evicted = 0
while tonumber(redis.call('GET', base .. 'bytes') or '0') > cap do
  local oldest = redis.call('ZRANGE', base .. 'used', 0, 0)[1]
  if not oldest then
    break
  end
  evicted = evicted + remove(oldest)
end
if evicted > 0 then
  redis.call('INCRBY', base .. 'evicted', evicted)
end
return evicted
