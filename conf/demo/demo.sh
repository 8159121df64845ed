#!/bin/bash
#
# demo.sh start|stop|status: scale to zero on one machine.
#
# A PostgreSQL cluster of its own, the example control plane that starts and
# stops it, and nginx with the module in front, for psql and for a page in the
# browser.  Nothing of the system's postgresql and nginx services is touched.
# Needs no root; when root runs it, PostgreSQL and the control plane run as
# DEMO_USER.
#
#   DEMO_DIR           state and logs            (BUILD/demo)
#   DEMO_PORT          of nginx                  (first free from 15432)
#   DEMO_STATUS_PORT   of nginx's status page    (first free from 15482)
#   DEMO_CONSOLE_PORT  of the SQL console        (first free from 15483)
#   DEMO_CONTROL_PORT  of the control plane      (first free from 15532)
#   DEMO_COMPUTE_PORT  of PostgreSQL             (first free from 15632)
#   DEMO_IDLE          seconds until PostgreSQL is stopped  (60)
#   DEMO_USER          for PostgreSQL, when root starts it  (postgres)
#   PG_BINDIR          PostgreSQL's programs     (the newest that is there)
#   NEON_NGINX, NEON_MODULE    nginx and the module
#
# SPDX-License-Identifier: Apache-2.0

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${BUILD:-$top/build}

dir=${DEMO_DIR:-$build/demo}
user=${DEMO_USER:-postgres}
module=${NEON_MODULE:-$build/ngx_neon_proxy_module.so}

# settings of the caller's own psql must not reach ours
pg_bindir=${PG_BINDIR:-}
unset "${!PG@}"
PATH=$PATH:/usr/sbin:/sbin
nginx=${NEON_NGINX:-nginx}


die()
{
    printf 'demo: %s\n' "$*" >&2
    exit 1
}


say()
{
    printf '%s\n' "$*"
}


# --- who runs what, and where


# PostgreSQL refuses to be root; it and its control plane share a user

as_compute()
{
    (exec_compute "$@")
}


exec_compute()
{
    cd /

    if [ "$EUID" -ne 0 ]; then
        exec "$@"
    fi

    exec setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups \
        env HOME="$var" "$@"
}


find_tools()
{
    local tool

    for tool in "$nginx" python3 psql openssl flock setpriv; do
        command -v "$tool" > /dev/null \
            || die "$tool is missing: run \"make deps\""
    done

    [ -f "$module" ] || die "there is no $module: run \"make\""

    find_postgres

    if [ "$EUID" -eq 0 ]; then
        id -u "$user" > /dev/null 2>&1 \
            || die "there is no user $user to run PostgreSQL as: set DEMO_USER"
        [ "$(id -u "$user")" -ne 0 ] \
            || die "PostgreSQL does not run as root: set DEMO_USER"
    fi
}


find_postgres()
{
    if [ -z "$pg_bindir" ]; then
        pg_bindir=$(ls -d /usr/lib/postgresql/*/bin 2> /dev/null \
                        | sort -t / -k 5 -n | tail -n 1) || true
    fi

    if [ -z "$pg_bindir" ]; then
        pg_bindir=$(pg_config --bindir 2> /dev/null) || true
    fi

    [ -x "$pg_bindir/pg_ctl" ] && [ -x "$pg_bindir/initdb" ] \
        || die "PostgreSQL's pg_ctl and initdb are missing:" \
               "run \"make deps\" or set PG_BINDIR"
}


# one start or stop at a time; the lock must not go to what we start

lock()
{
    if [ -e "$dir" ] && [ ! -O "$dir" ]; then
        die "$dir belongs to $(stat -c %U "$dir"): run this as that user," \
            "or set DEMO_DIR"
    fi

    mkdir -p "$dir"
    set_paths

    exec 9> "$dir/lock"

    if ! flock -n 9; then
        say "waiting for another start or stop to end"
        flock -w 150 9 || die "$dir/lock is still held"
    fi
}


# var: what PostgreSQL and the control plane own.  A user postgres cannot
# enter /root: then it lies in /var/tmp.

set_paths()
{
    dir=$(readlink -f "$dir")
    var=$(readlink -f "$dir/var" || echo "$dir/var")
}


make_var()
{
    if [ ! -e "$dir/var" ]; then
        rm -f "$dir/var"
        var=$dir/var
        mkdir "$var"
        own_var

        if ! as_compute test -r "$var/." 2> /dev/null; then
            rmdir "$var"
            var=$(mktemp -d /var/tmp/neon-demo.XXXXXX)
            own_var
            ln -s "$var" "$dir/var"
            say "$user cannot enter $dir: PostgreSQL's files are in $var"
        fi
    fi

    set_paths
    as_compute test -r "$var/." \
        || die "$user cannot read $var: make demo-stop, remove it, start anew"
    as_compute mkdir -p "$var/log"
}


own_var()
{
    chmod 700 "$var"
    [ "$EUID" -ne 0 ] || chown "$user:" "$var"
}


# --- processes


# alive FILE TEXT: the pid in the file, if that process is ours still

alive()
{
    local pid

    pid=$(head -n 1 "$1" 2> /dev/null) || return 1
    [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] || return 1
    tr '\0' ' ' 2> /dev/null < "/proc/$pid/cmdline" | grep -qF -- "$2" \
        || return 1

    echo "$pid"
}


nginx_pid()
{
    alive "$dir/nginx/nginx.pid" "-p $dir/nginx/"
}


control_plane_pid()
{
    alive "$var/control_plane.pid" "$var/control_plane.py"
}


compute_pid()
{
    alive "$var/data/postmaster.pid" "-D $var/data"
}


# end NAME PID: SIGTERM, and SIGKILL to what does not hear

end()
{
    local i

    kill -TERM "$2" 2> /dev/null || return 0

    for ((i = 0; i < 600; i++)); do
        kill -0 "$2" 2> /dev/null || { say "$1 ended"; return 0; }
        sleep 0.1
    done

    say "$1 (pid $2) does not end: killing it"
    kill -KILL "$2" 2> /dev/null || true
}


stop_all()
{
    local pid

    # clients first, then who could start PostgreSQL again, then PostgreSQL
    if pid=$(nginx_pid); then
        end nginx "$pid"
    fi

    if pid=$(control_plane_pid); then
        end "the control plane" "$pid"
    fi

    if compute_pid > /dev/null; then
        as_compute "$pg_bindir/pg_ctl" -D "$var/data" -m fast -w -s -t 60 stop
        say "PostgreSQL ended"
    fi

    remove_console
}


# --- ports


port_free()
{
    python3 - "$1" <<'PY'
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    s.bind(('127.0.0.1', int(sys.argv[1])))
except (OSError, OverflowError, ValueError):
    sys.exit(1)
PY
}


# choose_port VARIABLE DEFAULT: what the caller wants, or the first free one

choose_port()
{
    local port=${!1:-} last

    if [ -n "$port" ]; then
        port_free "$port" && [[ $chosen != *" $port "* ]] \
            || die "port $port cannot be used, it is taken or no number of a" \
                   "port: set $1 to another one"

    else
        last=$(($2 + 99))

        for ((port = $2; port <= last; port++)); do
            [[ $chosen == *" $port "* ]] || ! port_free "$port" || break
        done

        [ "$port" -le "$last" ] \
            || die "no free port between $2 and $last: set $1"
        [ "$port" -eq "$2" ] || say "port $2 is taken, $1=$port is used"
    fi

    printf -v "$1" %s "$port"
    chosen="$chosen$port "
}


choose_settings()
{
    local chosen=' '

    choose_port DEMO_PORT 15432
    choose_port DEMO_STATUS_PORT 15482
    choose_port DEMO_CONSOLE_PORT 15483
    choose_port DEMO_CONTROL_PORT 15532
    choose_port DEMO_COMPUTE_PORT 15632

    printf 'DEMO_%s=%s\n' PORT "$DEMO_PORT" \
        STATUS_PORT "$DEMO_STATUS_PORT" \
        CONSOLE_PORT "$DEMO_CONSOLE_PORT" \
        CONTROL_PORT "$DEMO_CONTROL_PORT" \
        COMPUTE_PORT "$DEMO_COMPUTE_PORT" \
        IDLE "${DEMO_IDLE:=60}" > "$dir/settings"
}


# --- the parts


make_cluster()
{
    local new=$var/data.new password

    [ ! -d "$var/data" ] || return 0

    say "creating a PostgreSQL cluster in $var/data"

    rm -rf "$new"
    as_compute "$pg_bindir/initdb" -D "$new" --locale=C --encoding=UTF8 \
        --auth-local=peer --auth-host=scram-sha-256 --no-sync \
        > /dev/null

    as_compute tee -a "$new/postgresql.conf" > /dev/null \
        <<< "include_if_exists = '../compute.conf'"

    as_compute tee "$var/compute.conf" > /dev/null < /dev/null

    # one server process without any socket
    password=$(openssl rand -hex 12)
    as_compute "$pg_bindir/postgres" --single -D "$new" \
        -c exit_on_error=true -c password_encryption=scram-sha-256 postgres \
        > "$dir/single.log" 2>&1 <<SQL
create role demo login password '$password';
create database demo owner demo;
SQL
    rm "$dir/single.log"

    (umask 077 && printf '%s\n' "$password" > "$dir/password")
    mv "$new" "$var/data"
    rm -f "$var/ep-demo.json"
}


configure_cluster()
{
    local sockets=$var/run

    # sun_path of a Unix socket has 108 bytes
    if [ ${#sockets} -gt 85 ]; then
        sockets=$(cat "$dir/sockets" 2> /dev/null) && [ -d "$sockets" ] \
            || sockets=$(mktemp -d /tmp/neon-demo.XXXXXX)
        printf '%s\n' "$sockets" > "$dir/sockets"
        chmod 700 "$sockets"
        [ "$EUID" -ne 0 ] || chown "$user:" "$sockets"
    else
        as_compute mkdir -p -m 700 "$sockets"
    fi

    as_compute tee "$var/compute.conf" > /dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $DEMO_COMPUTE_PORT
unix_socket_directories = '$sockets'
shared_buffers = 32MB
CONF
}


start_control_plane()
{
    (umask 077 && openssl rand -hex 24 > "$dir/nginx/token")
    as_compute sh -c 'umask 077; cat > "$1"' sh "$var/token" \
        < "$dir/nginx/token"
    as_compute sh -c 'cat > "$1"' sh "$var/control_plane.py" \
        < "$here/control_plane.py"

    rm -f "$var/control_plane.pid"

    exec_compute setsid python3 "$var/control_plane.py" \
        --listen "127.0.0.1:$DEMO_CONTROL_PORT" \
        --endpoint "ep-demo=$var/data" --state "$var" \
        --idle "$DEMO_IDLE" --grace 5 --bindir "$pg_bindir" \
        --token-file "$var/token" --pid-file "$var/control_plane.pid" \
        >> "$var/log/control_plane.log" 2>&1 < /dev/null 8>&- 9>&- &
    starting=$!

    # it answers when it knows the verifiers
    wait_control_plane \
        && ask_control_plane "endpointish=ep-demo&role=demo" \
               | grep -q SCRAM-SHA-256 \
        || die "the control plane does not start, see" \
               "$var/log/control_plane.log"

    say "control plane: 127.0.0.1:$DEMO_CONTROL_PORT"
}


# until its pid file is there, or it has ended

wait_control_plane()
{
    local i

    for ((i = 0; i < 100; i++)); do
        ! control_plane_pid > /dev/null || return 0
        kill -0 "$starting" 2> /dev/null || return 1
        sleep 0.1
    done

    return 1
}


ask_control_plane()
{
    local path=authenticate/v1/get_endpoint_access_control

    python3 - "http://127.0.0.1:$DEMO_CONTROL_PORT/$path?$1" \
        "$dir/nginx/token" <<'PY'
import sys, urllib.request
token = open(sys.argv[2]).read().strip()
r = urllib.request.Request(sys.argv[1],
                           headers={'Authorization': 'Bearer ' + token})
print(urllib.request.urlopen(r, timeout=60).read().decode())
PY
}


# The first start taught the control plane the roles' verifiers.

sleep_compute()
{
    if compute_pid > /dev/null; then
        as_compute "$pg_bindir/pg_ctl" -D "$var/data" -m fast -w -s stop
    fi
}


make_certificate()
{
    local key=$dir/nginx/tls.key crt=$dir/nginx/tls.crt

    if [ -f "$crt" ] \
       && openssl x509 -in "$crt" -noout -checkend 86400 > /dev/null
    then
        return
    fi

    (umask 077 && openssl req -x509 -newkey ec -nodes -days 90 -sha256 \
        -pkeyopt ec_paramgen_curve:prime256v1 -subj "/CN=*.localtest.me" \
        -addext "subjectAltName=DNS:*.localtest.me,DNS:localhost" \
        -keyout "$key" -out "$crt" 2> "$dir/nginx/openssl.log") \
        || die "no certificate made, see $dir/nginx/openssl.log"
    chmod 644 "$crt"
}


# The page of the console, where nginx's workers can read it: they run as
# nobody when root starts them, and cannot enter /root.

make_console()
{
    local page=$dir/console driver=$dir/npm/node_modules

    driver=$driver/@neondatabase/serverless/index.mjs

    remove_console
    mkdir "$page"
    chmod 755 "$page"

    if [ "$EUID" -eq 0 ] && ! as_nobody test -r "$page/." 2> /dev/null; then
        rmdir "$page"
        ln -s "$(mktemp -d /var/tmp/neon-console.XXXXXX)" "$page"
        chmod 755 "$page/."
    fi

    fetch_driver "$driver" || return 0

    install -m 644 "$here"/../html/*.{html,css,js,svg} "$page/"
    install -m 644 "$driver" "$page/serverless.js"
}


remove_console()
{
    rm -rf "$(readlink -f "$dir/console")" "$dir/console"
}


as_nobody()
{
    setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups "$@"
}


# once: what npm fetched is kept

fetch_driver()
{
    local html=$here/../html npm=$dir/npm

    if [ -f "$1" ] && cmp -s "$html/package-lock.json" \
                             "$npm/package-lock.json"
    then
        return
    fi

    if ! command -v npm > /dev/null; then
        say "no console: npm is missing"
        return 1
    fi

    rm -rf "$npm"
    mkdir "$npm"
    cp "$html"/package*.json "$npm/"

    say "fetching npm @neondatabase/serverless for the console"

    if ! (cd "$npm" && timeout 180 npm ci --ignore-scripts --no-audit \
              --no-fund --fetch-retries=1 --fetch-timeout=30000) \
              > "$npm/log" 2>&1 < /dev/null 8>&- 9>&- \
       || [ ! -f "$1" ]
    then
        say "no console: npm does not get it, see $npm/log"
        return 1
    fi
}


start_nginx()
{
    local text load= run_as= modules

    modules=$("$nginx" -V 2>&1 | tr ' ' '\n' \
                  | sed -n 's/^--modules-path=//p')

    if "$nginx" -V 2>&1 | grep -q -- '--with-stream=dynamic'; then
        load="load_module \"$modules/ngx_stream_module.so\";"
    fi

    if [ "$EUID" -eq 0 ]; then
        run_as="user              nobody $(id -gn nobody);"
    fi

    text=$(< "$here/nginx.conf.in")
    text=${text//@LOAD_STREAM@/"$load"}
    text=${text//@USER@/"$run_as"}
    text=${text//@MODULE@/"$module"}
    text=${text//@NGINX@/"$dir/nginx"}
    text=${text//@PORT@/"$DEMO_PORT"}
    text=${text//@STATUS_PORT@/"$DEMO_STATUS_PORT"}
    text=${text//@CONSOLE_PORT@/"$DEMO_CONSOLE_PORT"}
    text=${text//@CONSOLE@/"$(readlink -f "$dir/console")"}
    text=${text//@CONTROL_PORT@/"$DEMO_CONTROL_PORT"}
    printf '%s\n' "$text" > "$dir/nginx/nginx.conf"

    "$nginx" -p "$dir/nginx/" -c nginx.conf -e "$dir/nginx/error.log" \
        8>&- 9>&- \
        || die "nginx does not start, see above"

    say "nginx:         127.0.0.1:$DEMO_PORT"
}


# --- what it is about


connect()
{
    local began ended

    began=$(date +%s%N)
    PGPASSWORD=$(< "$dir/password") PGCONNECT_TIMEOUT=90 \
        PGSSLROOTCERT=$dir/nginx/tls.crt \
        psql "host=ep-demo.localtest.me hostaddr=127.0.0.1 port=$DEMO_PORT
              user=demo dbname=demo sslmode=require" -X -A -t \
        -c '\conninfo' \
        -c "select 'PostgreSQL has been awake for ' || extract(epoch from
                clock_timestamp() - pg_postmaster_start_time()) || ' s'"
    ended=$(date +%s%N)

    took="$(((ended - began) / 1000000)) ms"
}


show()
{
    local was

    was="PostgreSQL is awake"
    compute_pid > /dev/null \
        || was="PostgreSQL is asleep: none of its processes exists"

    say
    say "$was.  psql connects:"
    connect
    say "  psql took $took, from its start to its end"
    say
    say "And once more:"
    connect
    say "  psql took $took"
}


say_next()
{
    local url verify

    url="postgresql://demo:$(< "$dir/password")@ep-demo.localtest.me"
    url="$url:$DEMO_PORT/demo?hostaddr=127.0.0.1"
    verify="sslmode=verify-full&sslrootcert=${dir// /%20}/nginx/tls.crt"

    cat <<TEXT

Type next:

  psql '$url&sslmode=require'

Verified TLS, with SCRAM bound to the certificate:

  psql '$url&$verify&channel_binding=require'

After $DEMO_IDLE s without a session PostgreSQL goes to sleep; connect again
and it wakes up.  To watch it:

  $0 status
  tail -f $var/log/control_plane.log
  tail -f $dir/nginx/access.log

In a browser, and for Prometheus:

  http://127.0.0.1:$DEMO_STATUS_PORT/status
  http://127.0.0.1:$DEMO_STATUS_PORT/metrics

make demo-stop ends everything.
TEXT

    [ -f "$dir/console/index.html" ] || return 0

    url="postgresql://demo:$(< "$dir/password")@ep-demo.localtest.me/demo"

    cat <<TEXT

To try it in a browser, open the SQL console:

  http://127.0.0.1:$DEMO_CONSOLE_PORT/#$url
TEXT
}


# --- commands


failed()
{
    local rc=$?

    # the command that was interrupted may have redirected them
    exec >&8 2>&8
    trap - EXIT INT TERM HUP

    say "the demo was not started, ending what runs of it"
    tail -n 3 "$var/log/control_plane.log" "$dir/nginx/error.log" \
        2> /dev/null || true
    stop_all

    # it may have had no time to write its pid file
    if [ -n "${starting:-}" ]; then
        end "the control plane" "$starting"
        stop_all
    fi

    exit $(( rc ? rc : 1 ))
}


start()
{
    find_tools
    lock

    if nginx_pid > /dev/null && control_plane_pid > /dev/null; then
        . "$dir/settings"
        say "the demo is running already"
    else
        exec 8>&2
        trap failed EXIT
        trap 'exit 130' INT TERM HUP

        stop_all
        make_var
        mkdir -p "$dir/nginx"
        choose_settings
        make_certificate
        make_cluster
        configure_cluster
        start_control_plane
        sleep_compute
        make_console
        start_nginx
    fi

    show
    trap - EXIT INT TERM HUP
    say_next
}


stop()
{
    if [ ! -d "$dir" ]; then
        say "the demo does not run"
        return
    fi

    find_postgres
    lock

    if ! nginx_pid > /dev/null && ! control_plane_pid > /dev/null \
       && ! compute_pid > /dev/null
    then
        say "the demo does not run"
        return
    fi

    stop_all

    if [ -f "$dir/sockets" ]; then
        rm -rf "$(cat "$dir/sockets")" "$dir/sockets"
    fi

    say "data and logs are kept in $dir"
    [ "$var" = "$dir/var" ] || say "and in $var"
}


status()
{
    local pid rc=0 var=$dir/var

    [ ! -d "$dir" ] || set_paths
    [ ! -f "$dir/settings" ] || . "$dir/settings"

    if pid=$(nginx_pid); then
        say "nginx          runs, pid $pid, port $DEMO_PORT"
    else
        say "nginx          does not run"
        rc=3
    fi

    if pid=$(control_plane_pid); then
        say "control plane  runs, pid $pid, port $DEMO_CONTROL_PORT"
    else
        say "control plane  does not run"
        rc=3
    fi

    if pid=$(compute_pid); then
        say "PostgreSQL     is awake, pid $pid, port $DEMO_COMPUTE_PORT"
    else
        say "PostgreSQL     is asleep"
    fi

    return $rc
}


case ${1:-} in
    start|stop|status) "$1" ;;
    *) echo "usage: $0 start|stop|status" >&2; exit 2 ;;
esac
