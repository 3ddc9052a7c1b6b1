# Keeps one PostgreSQL alive for as long as a test process holds the write end of the FIFO `alive`, then stops it and
# removes its directory. The kernel closes that end when a process dies, however it dies, so no server is left behind.
# Arguments: directory of the binaries, directory of the server, seconds to linger, options of the server.
bin=$1 dir=$2 linger=$3
shift 3
cd "$dir" || exit 1

# For reading only, without waiting for a first writer: through a moment of reading and writing.
exec 3<>alive 4<alive 3>&-

"$bin/initdb" -D data -U bursar --pwfile=password --auth-local=trust --auth-host=scram-sha-256 \
    --encoding=UTF8 --locale=C --no-sync >/dev/null 4<&- || touch failed
if [ ! -e failed ]; then
    # Without the FIFO: if this shell is killed, nobody must seem to read it.
    "$bin/postgres" -D data "$@" 4<&- &
fi

# Each process writes a byte when it comes. Reading ends when the last has gone; a byte that is there after the pause
# tells that another came meanwhile.
while sleep "$linger"; [ "$(wc -c <&4)" -gt 0 ]; do :; done
# Close the door, then wait for those who came through just before.
mv alive closed
wc -c <&4 >/dev/null

"$bin/pg_ctl" -D data -m immediate -w stop >/dev/null 2>&1
cd / && rm -rf "$dir"
