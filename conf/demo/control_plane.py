#!/usr/bin/env python3
#
# An example control plane for neon_proxy: scales PostgreSQL to zero.
#
# It answers the two questions of Neon's HTTP API, version v1, that the proxy
# asks ("control_plane http://HOST:PORT/authenticate/v1;"):
#
#   GET .../get_endpoint_access_control?endpointish=ENDPOINT&role=ROLE
#       the role's SCRAM verifier; answered from a copy on disk while the
#       compute sleeps, so nobody wakes it who cannot log in
#
#   GET .../wake_compute?endpointish=ENDPOINT
#       starts the compute if it sleeps, waits until it accepts connections,
#       and says where it listens
#
# A compute without sessions is stopped after --idle seconds.
#
# How to adapt it.  A compute here is a PostgreSQL data directory on this
# machine, driven by pg_ctl.  For Docker, Kubernetes or systemd write another
# class with the methods of `Compute` (start, stop, running, address, survey)
# and create it in serve(); nothing else knows what a compute is:
#
#   Docker       docker start|stop NAME; address() from docker inspect
#   Kubernetes   kubectl scale --replicas=1|0; address() is the Service
#   systemd      systemctl start|stop postgresql@15-NAME
#
# survey() needs a superuser's connection wherever the compute runs.
#
# It keeps no secrets but verifiers, talks plain HTTP, and so belongs on
# 127.0.0.1 or behind a TLS server, with --token-file.  Python's standard
# library is all that it needs.
#
# SPDX-License-Identifier: Apache-2.0

import argparse
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


# A wake that takes longer is answered with "try again", before the proxy's
# control_plane_timeout (30 s by default) gives up on us.
WAKE_SECONDS = 25

STOP_SECONDS = 60
CRASH_SECONDS = 5
PSQL_SECONDS = 10

# Sessions and verifiers in one query.  VALID UNTIL goes with the verifier:
# the compute sleeps when the proxy asks, so we have to look at the clock.
SURVEY = """
select json_build_object(
    'sessions', (
        select count(*) from pg_catalog.pg_stat_activity
        where backend_type in ('client backend', 'walsender')
              and pid <> pg_catalog.pg_backend_pid()),
    'roles', (
        select coalesce(json_object_agg(rolname, json_build_array(
            rolpassword, extract(epoch from nullif(rolvaliduntil,
                                                   'infinity')))), '{}')
        from pg_catalog.pg_authid
        where rolcanlogin and rolpassword is not null))
"""


def log(text):
    now = time.time()
    stamp = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))
    # one write: threads must not mix their lines
    sys.stdout.write('%s.%03d %s\n' % (stamp, now % 1 * 1000, text))
    sys.stdout.flush()


def word(text):
    """What others sent, as one word of a log line."""
    if re.fullmatch(r'[\w.:/@+-]{1,200}', text, re.ASCII):
        return text
    return json.dumps(text[:200])


class ComputeError(Exception):
    """A compute that could not be started, stopped or asked."""


class ComputeBusy(ComputeError):
    """Not now, but it may work a little later."""


class Compute:
    """A PostgreSQL data directory, started and stopped by pg_ctl.

    start() and stop() are called by one thread at a time, the others by any.
    """

    def __init__(self, data, bindir, logfile):
        self.data = os.path.abspath(data)
        self.pg_ctl = os.path.join(bindir, 'pg_ctl')
        self.psql = os.path.join(bindir, 'psql')
        self.logfile = logfile

        if not os.path.exists(os.path.join(self.data, 'PG_VERSION')):
            raise ComputeError('%s is no PostgreSQL data directory'
                               % self.data)

    def running(self):
        """Does it accept connections?"""
        return self._postmaster().get('status') == 'ready'

    def address(self):
        """HOST:PORT for the proxy."""
        postmaster = self._postmaster()
        host = postmaster.get('listen')
        if not host:
            raise ComputeBusy('it was stopped just now')
        if host in ('*', '0.0.0.0'):
            host = '127.0.0.1'
        elif ':' in host:
            host = '[::1]' if host == '::' else '[%s]' % host
        return '%s:%s' % (host, postmaster['port'])

    def start(self, seconds):
        """Returns when it accepts connections, or raises."""
        deadline = time.monotonic() + seconds

        # somebody else may be starting or stopping it
        while self._postmaster():
            if self.running():
                return
            if time.monotonic() > deadline:
                raise ComputeBusy('it is still starting or stopping')
            time.sleep(0.05)

        # After a crash its children live on for a moment, and PostgreSQL
        # refuses to start beside them.
        crashed = os.path.exists(os.path.join(self.data, 'postmaster.pid'))
        patience = min(deadline, time.monotonic() + CRASH_SECONDS)

        while True:
            rc, text = self._run(seconds, self.pg_ctl, 'start', '-w', '-s',
                                 '-t', str(int(seconds)), '-D', self.data,
                                 '-l', self.logfile)
            if self.running():
                return
            if self._postmaster():
                raise ComputeBusy('it is still starting, or in recovery')
            if not crashed or time.monotonic() > patience:
                raise ComputeError('pg_ctl start: exit code %s, %s, see %s'
                                   % (rc, text, self.logfile))
            time.sleep(0.2)

    def stop(self):
        """Returns when it is down, or raises."""
        rc, text = self._run(STOP_SECONDS, self.pg_ctl, 'stop', '-w', '-s',
                             '-m', 'fast', '-t', str(STOP_SECONDS),
                             '-D', self.data)
        if self._postmaster():
            raise ComputeError('pg_ctl stop: exit code %s, %s' % (rc, text))

    def survey(self):
        """(number of client sessions, {role: [verifier, valid until]})."""
        postmaster = self._postmaster()
        if not postmaster.get('socket'):
            raise ComputeBusy('it does not run')

        rc, text = self._run(PSQL_SECONDS, self.psql, '-XAtq',
                             '-h', postmaster['socket'],
                             '-p', postmaster['port'],
                             '-d', 'postgres', '-c', SURVEY)
        if rc != 0:
            raise ComputeError('psql: exit code %s, %s' % (rc, text))

        answer = json.loads(text)
        return answer['sessions'], answer['roles']

    def _postmaster(self):
        """What postmaster.pid says, empty where no such process lives.

        PostgreSQL docs, "Database File Layout": pid, data directory, start
        time, port, socket directory, listen address, shared memory, status.
        """
        try:
            with open(os.path.join(self.data, 'postmaster.pid')) as f:
                lines = [line.strip() for line in f] + [''] * 8

            # a stale file may name a process of somebody else by now
            cwd = os.readlink('/proc/%d/cwd' % int(lines[0]))
            if not os.path.samefile(cwd, self.data):
                return {}
        except (OSError, ValueError):
            return {}

        return {'port': lines[3], 'socket': lines[4], 'listen': lines[5],
                'status': lines[7]}

    @staticmethod
    def _run(seconds, *command):
        """Exit code and output.

        A session of its own: Ctrl-C on us must not reach the PostgreSQL that
        pg_ctl starts.
        """
        env = {k: v for k, v in os.environ.items() if not k.startswith('PG')}
        try:
            p = subprocess.run(command, env=env, cwd='/', text=True,
                               encoding='utf-8', timeout=seconds + 5,
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT,
                               start_new_session=True)
            return p.returncode, p.stdout.strip().replace('\n', ' ')
        except subprocess.TimeoutExpired:
            return None, 'timed out'


class ApiError(Exception):
    """An error body of the API."""

    def __init__(self, http, code, reason, text, retry_ms=None, user=None):
        super().__init__(text)
        self.http = http
        self.reason = reason
        self.body = {
            'error': text,
            'status': {
                'code': code,
                'message': text,
                'details': {
                    'error_info': {'reason': reason},
                    'retry_info': retry_ms and {'retry_delay_ms': retry_ms},
                    'user_facing_message': user and {'message': user}}}}


class Endpoint:
    """A name that clients connect to, and the compute behind it."""

    def __init__(self, name, compute, directory, idle, grace):
        self.name = name
        self.compute = compute
        self.file = os.path.join(directory, name + '.json')
        self.idle = idle
        self.grace = max(idle, grace)

        # held while the compute is started or stopped
        self.lock = threading.Lock()
        self.failure = (0, None)            # when a start ended in an error

        # held while it is asked; before `lock` nobody takes it
        self.survey_lock = threading.Lock()
        self.surveyed = 0                   # when the last survey began
        self.sessions = 0
        self.roles = self._load()

        now = time.monotonic()
        self.used = now                     # sessions were seen
        self.woken = now                    # a client was sent to it

    # --- the two calls of the API

    def access(self, role):
        """The answer to get_endpoint_access_control, and a note."""
        # A password that was changed, or a role that was made, a moment ago
        # has to work: so a compute that is awake is asked every time.
        try:
            self._survey()
        except (ComputeError, OSError, ValueError) as e:
            if self.roles is None:
                raise self._busy('verifiers not known yet: %s' % e)

        secret, until = self.roles.get(role, ('', None))

        if not secret:
            note = 'no such role, or it has no password'
        elif not secret.startswith('SCRAM-SHA-256$'):
            secret, note = '', 'its password is stored as MD5: set it anew'
        elif until is not None and float(until) < time.time():
            secret, note = '', 'its password is no longer valid'
        else:
            note = 'ok'

        # here is the place for allowed_ips, project_id and the like
        return {'role_secret': secret, 'allowed_ips': None}, note

    def wake(self):
        """The answer to wake_compute, and a note.

        One client starts the compute, all who ask meanwhile wait for it and
        get the same result, be it an error.
        """
        asked = time.monotonic()

        if not self.lock.acquire(timeout=WAKE_SECONDS):
            raise self._busy('it is still starting or stopping')

        try:
            slept = not self.compute.running()
            if slept:
                failed, error = self.failure
                if failed > asked:
                    raise error
                self._start(asked + WAKE_SECONDS - time.monotonic())

            address = self.compute.address()
            self.woken = time.monotonic()

        except ComputeBusy as e:
            raise self._busy(e)
        except ComputeError as e:
            raise self._failed(e)
        finally:
            self.lock.release()

        aux = {'endpoint_id': self.name, 'project_id': self.name,
               'branch_id': 'main', 'compute_id': self.name,
               'cold_start_info': 'pool_miss' if slept else 'warm'}
        return ({'address': address, 'aux': aux},
                'started' if slept else 'awake')

    def _start(self, seconds):
        began = time.monotonic()
        try:
            self.compute.start(max(1, seconds))
        except ComputeError as e:
            self.failure = (time.monotonic(), e)
            raise
        log('%s started in %.0f ms'
            % (self.name, 1000 * (time.monotonic() - began)))

    def _busy(self, text):
        return ApiError(503, 'UNAVAILABLE', 'RUNNING_OPERATIONS',
                        'endpoint %s: %s' % (self.name, text), retry_ms=500)

    def _failed(self, text):
        return ApiError(500, 'INTERNAL', 'COMPUTE_START_FAILED',
                        'endpoint %s: %s' % (self.name, text),
                        user='endpoint %s could not be started' % self.name)

    # --- scale to zero

    def watch(self):
        """Runs in a thread of its own for as long as we live."""
        while True:
            time.sleep(min(5, max(0.2, self.idle / 10)))
            try:
                if self._unused():
                    self._stop()
            except (ComputeError, OSError, ValueError) as e:
                log('%s: %s' % (self.name, e))

    def _unused(self):
        if not self.compute.running():
            return False

        self._survey()
        now = time.monotonic()
        if self.sessions:
            self.used = now

        # A client that was told the address is no session yet: PostgreSQL
        # shows it only when it has logged in.
        return (now - self.used >= self.idle
                and now - self.woken >= self.grace)

    def _stop(self):
        with self.lock:
            # who came while we waited for the lock changes everything
            if not self._unused():
                return
            began = time.monotonic()
            self.compute.stop()
            log('%s stopped in %.0f ms, it had no sessions for %.0f s'
                % (self.name, 1000 * (time.monotonic() - began),
                   began - max(self.used, self.woken)))

    # --- what we know of it

    def learn(self):
        """Verifiers must be known before the first client asks for them."""
        if self.roles is not None and not self.compute.running():
            return
        try:
            with self.lock:
                if not self.compute.running():
                    self._start(WAKE_SECONDS)
            self._survey()
        except (ComputeError, OSError, ValueError) as e:
            log('%s: verifiers not read: %s' % (self.name, e))

    def _survey(self):
        """Asks the compute; who waits for an answer shares the next one."""
        asked = time.monotonic()
        with self.survey_lock:
            if self.surveyed > asked:
                return
            began = time.monotonic()
            self.sessions, roles = self.compute.survey()
            self.surveyed = began
            if roles != self.roles:
                self.roles = roles
                self._save()

    def _load(self):
        try:
            with open(self.file) as f:
                return json.load(f)
        except FileNotFoundError:
            return None

    def _save(self):
        # whole or not at all, and for our eyes only
        new = self.file + '.new'
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                  'w') as f:
            json.dump(self.roles, f)
            f.flush()
            os.fsync(f.fileno())
        os.rename(new, self.file)


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'       # keep-alive
    disable_nagle_algorithm = True
    wbufsize = -1                       # head and body in one packet
    timeout = 120                       # for an idle connection

    def do_GET(self):
        began = time.monotonic()
        url = urlsplit(self.path)
        call = url.path.rsplit('/', 1)[-1]
        self.query = parse_qs(url.query, keep_blank_values=True)

        try:
            http, (body, note) = 200, self.answer(call)
        except ApiError as e:
            http, body, note = e.http, e.body, '%s: %s' % (e.reason, e)

        data = json.dumps(body).encode()
        self.send_response(http)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

        named = ''.join(' %s=%s' % (key, word(self.one(key)))
                        for key in ('endpointish', 'role', 'session_id',
                                    'application_name') if self.one(key))
        log('%d %s%s %.1f ms: %s'
            % (http, word(call), named, 1000 * (time.monotonic() - began),
               note))

    def one(self, key):
        return self.query.get(key, [''])[0]

    def answer(self, call):
        token = self.server.token
        if token:
            sent = self.headers.get('Authorization', '')
            if not hmac.compare_digest(sent.encode(),
                                       b'Bearer ' + token.encode()):
                raise ApiError(401, 'UNAUTHENTICATED', 'UNAUTHENTICATED',
                               'the bearer token is missing or wrong')

        if call not in ('get_endpoint_access_control', 'wake_compute'):
            raise ApiError(404, 'NOT_FOUND', 'RESOURCE_NOT_FOUND',
                           'no such call')

        # the pooled name of an endpoint is the same compute to us
        name = self.one('endpointish')
        if name.endswith('-pooler'):
            name = name[:-len('-pooler')]

        endpoint = self.server.endpoints.get(name)
        if endpoint is None:
            raise ApiError(404, 'NOT_FOUND', 'ENDPOINT_NOT_FOUND',
                           'endpoint not found')

        if call == 'wake_compute':
            return endpoint.wake()
        return endpoint.access(self.one('role'))

    def log_message(self, text, *args):
        log('%s: %s' % (self.client_address[0], word(text % args)))

    def log_request(self, code='-', size='-'):
        pass                            # do_GET has a better line


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        # a proxy that goes away while it waits is no error of ours
        if isinstance(sys.exc_info()[1], OSError):
            log('%s: %s' % (client_address[0], sys.exc_info()[1]))
            return
        super().handle_error(request, client_address)


def arguments():
    p = argparse.ArgumentParser(
        description='Example control plane for neon_proxy.')
    p.add_argument('--listen', default='127.0.0.1:9095', metavar='HOST:PORT')
    p.add_argument('--endpoint', action='append', required=True,
                   metavar='NAME=PGDATA', help='may be repeated')
    p.add_argument('--state', required=True, metavar='DIR',
                   help='for verifiers and logs of the computes')
    p.add_argument('--idle', type=float, default=300, metavar='SECONDS',
                   help='a compute is stopped after that long without a'
                        ' session (%(default)g)')
    p.add_argument('--grace', type=float, default=15, metavar='SECONDS',
                   help='but not that soon after a wake (%(default)g)')
    p.add_argument('--bindir', default='', metavar='DIR',
                   help='where pg_ctl and psql are')
    p.add_argument('--token-file', metavar='FILE',
                   help='the bearer token that callers must send')
    p.add_argument('--pid-file', metavar='FILE')
    return p.parse_args()


def serve(args, over):
    endpoints = {}
    for item in args.endpoint:
        name, _, data = item.partition('=')
        if not re.fullmatch(r'[A-Za-z0-9-]{1,63}', name):
            sys.exit('--endpoint %s: not in the form NAME=PGDATA' % item)
        compute = Compute(data, args.bindir,
                          os.path.join(args.state, name + '.log'))
        endpoints[name] = Endpoint(name, compute, args.state, args.idle,
                                   args.grace)

    host, _, port = args.listen.rpartition(':')
    server = Server((host, int(port)), Handler)
    server.endpoints = endpoints
    server.token = None
    if args.token_file:
        with open(args.token_file) as f:
            server.token = f.read().strip()
        if not server.token:
            sys.exit('--token-file %s: it is empty' % args.token_file)

    for endpoint in endpoints.values():
        endpoint.learn()
        threading.Thread(target=endpoint.watch, daemon=True).start()

    threading.Thread(target=server.serve_forever, daemon=True).start()
    log('listening on %s, pid %d, endpoints: %s'
        % (args.listen, os.getpid(), ', '.join(endpoints)))
    over.wait()

    # Computes stay as they are, for a restart of the control plane is no
    # business of theirs; a start or stop under way is seen through.
    server.shutdown()
    for endpoint in endpoints.values():
        endpoint.lock.acquire(timeout=WAKE_SECONDS)
    log('ended')


def main():
    args = arguments()

    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())

    if args.pid_file:
        with open(args.pid_file, 'w') as f:
            f.write('%d\n' % os.getpid())

    try:
        serve(args, over)
    except (ComputeError, OSError, ValueError) as e:
        sys.exit('control_plane.py: %s' % e)
    finally:
        if args.pid_file:
            os.unlink(args.pid_file)


if __name__ == '__main__':
    main()
