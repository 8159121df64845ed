#!/usr/bin/perl

# The console of conf/html in a real browser, over WebSocket, before a real
# PostgreSQL: what it shows, and what becomes of its session.

use utf8;

use lib 't/lib';
use NeonTest;
use NeonTest::Browser;

my $t = NeonTest->new;
my $top = top();
my $html = "$top/conf/html";
my $driver = "$top/t/js/node_modules/neon-1.2.0/index.mjs";
my $package = '"version": "1.2.0",\s*"integrity": "(\S+)"';

my ($console, $tests) = map { slurp($_) =~ $package ? $1 : undef }
                        map { "$top/$_/package-lock.json" } qw{conf/html t/js};
is($console, $tests, 'the driver of the demo is the one tested here');

my $missing = NeonTest::Browser::missing()
              // (-f $driver ? undef : 'no npm package neon-1.2.0');

if (defined $missing) {
    SKIP: { skip "$missing (make deps)", 1 }
    $t->done;
    exit;
}


# --- the world ------------------------------------------------------------

my $pg = $t->postgres;
my $cp = $t->control_plane(cache => 1);
my ($port, $plain) = map { $t->port } 1 .. 2;
my $certs = $t->certs;
my $access = $t->dir . '/access.log';
my $host = 'ep-1.db.example.com';
my $page = "https://$host:$port/";

$cp->role($_, alice => $pg->verifier('alice')) for qw/ep-1 ep-2/;
$cp->endpoint($_, address => $pg->address) for qw/ep-1 ep-2/;

# so long a machine may stop that has nothing to wake
my $notice = 3 * $NeonTest::slow;

my $files = <<"END";
    root $html;
    types { text/html html; text/css css; image/svg+xml svg; }
    default_type text/javascript;
    add_header Content-Security-Policy "default-src 'self'";
    add_header Content-Security-Policy "base-uri 'none'";
    add_header Content-Security-Policy "form-action 'none'";
    add_header Content-Security-Policy "frame-ancestors 'none'";
    location = /serverless.js { alias $driver; }
    location = /v2 {
        access_log $access neon;
        neon_proxy_websocket main;
    }
END

sub secure {
    my ($at) = @_;

    return <<"END";
log_format neon '\$pid \$status \$neon_endpoint \$neon_user';
server {
    listen 127.0.0.1:$at ssl http2;
    ssl_certificate $certs/db.crt;
    ssl_certificate_key $certs/db.key;
$files
}
END
}

my $n = $t->nginx(workers => 2, main => $cp->directives . <<"END",
node_cache size=0;
domains *.db.example.com;
wake_notice ${notice}s;
wake_retry attempts=20 base=50ms factor=1;
connect_retry attempts=2 base=10ms factor=1;
websocket_insecure on;
websocket_origins https://*.db.example.com:$port http://127.0.0.1:$plain;
END
    http => secure($port) . <<"END");
server {
    listen 127.0.0.1:$plain;
$files
}
END

my $b = NeonTest::Browser->new($t);
my $first = $b->tab;

sub encoded { $_[0] =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/ger }

my $password = $pg->password('alice');
my $url = "postgresql://alice:" . encoded($password) . "\@$host/app";

# a page that knows how to connect

sub fresh {
    my ($address, $string) = @_;

    $b->open('about:blank');
    $b->open(($address // $page) . '#' . ($string // $url));
}

sub said {
    my ($pattern, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return $b->sees('#log li:last-child', $pattern, $name);
}

sub connected {
    my ($name, @page) = @_;

    fresh(@page);
    $b->click('#connect');
    $b->sees('#state', qr/^Connected in [\d.]+ ms/, "$name: connected");
}

# a query, typed

sub ask {
    my ($sql) = @_;

    $b->js('document.getElementById("summary").textContent = "asked"');
    $b->fill('#sql', $sql, 'Control', 'Enter');
}

sub answer {
    my ($sql, $summary, $name) = @_;

    ask($sql);
    $b->sees('#summary', $summary, $name);
}

# [ [ header ], [ cell, … ], … ] of each table

sub tables {
    return $b->js(<<'END');
return [...document.querySelectorAll('#results table')].map(table =>
    [...table.rows].map(row => [...row.cells].map(c => c.textContent)));
END
}

sub error_fields {
    return $b->js(<<'END');
const box = document.querySelector('#results .error');
const names = [...box.querySelectorAll('dt')].map(dt => dt.textContent);
const values = [...box.querySelectorAll('dd')].map(dd => dd.textContent);
return { message: box.querySelector('p').textContent,
         ...Object.fromEntries(names.map((name, i) => [name, values[i]])) };
END
}

my $running = "select count(*) from pg_stat_activity where state = 'active'"
              . " and query ~ '^select pg_sleep'";

sub runs { $pg->sql($running) == $_[0] }

sub start_long {
    my ($name) = @_;

    ask('select pg_sleep(3600)');
    eventually { runs(1) } "$name: a query runs", 60;
}


# --- the form -------------------------------------------------------------

fresh();
is($b->js('return url.value'), "postgresql://alice\@$host/app",
   'the connection string comes in behind the #');
is($b->js('return password.value'), $password, 'its password is not shown');
is($b->js('return password.type'), 'password', 'nor where it is now');
is($b->js('return location.href'), $page, 'and is gone from the address');
is($b->text('#state'), 'Not connected', 'nobody connects unasked');

$b->js('url.focus()');
my @order;
for (1 .. 6) {
    push @order, $b->js('return document.activeElement.id');
    $b->type("#$order[-1]", 'Tab');
}
is("@order", 'url password connect sql run cancel', 'the order of the focus');

is_deeply($b->js('return [...document.querySelectorAll("input, textarea")]'
                 . '.filter(e => !e.labels.length).map(e => e.id)'), [],
          'each field has a label');

$b->click('#connect');
$b->sees('#state', qr/^Connected in [\d.]+ ms\. PostgreSQL \d+\S* has been/,
         'connected, to a PostgreSQL that was awake');
is($b->js('return document.activeElement.id'), 'sql', 'the focus is on SQL');
is($pg->sql("select application_name from pg_stat_activity where usename ="
            . " 'alice'"), 'SQL console', 'PostgreSQL knows the console');


# --- results --------------------------------------------------------------

answer(q{select 1 as n, null as "a null", 'NULL' as text, '' as empty},
       qr/^SELECT, 1 row, [\d.]+ ms$/, 'a row: tag, count and time');
is_deeply(tables(), [ [ [ 'n', 'a null', 'text', 'empty' ],
                        [ 1, 'NULL', 'NULL', '' ] ] ], 'its values');
is_deeply($b->js('return [...document.querySelectorAll("td")]'
                 . '.map(td => td.className)'),
          [ qw/number null text text/ ], 'NULL is not "NULL"');

my $evil = "<img src=x onerror=alert(1)><script>alert(2)</script>";
answer("select '$evil' as \"$evil\"", qr/1 row/, 'HTML in a value');
is_deeply(tables(), [ [ [ $evil ], [ $evil ] ] ], 'is text');
is($b->js('return document.querySelectorAll("#results img, #results script")'
          . '.length'), 0, 'and no element');

answer("create table t (id int primary key, v text);"
       . "insert into t select g, 'v' || g from generate_series(1, 3) g;"
       . "select * from t; select 1 as a, 2 as a",
       qr/^CREATE; INSERT, 3 rows; SELECT, 3 rows; SELECT, 1 row/,
       'several statements');
is_deeply(tables(), [ [ [ qw/id v/ ], map { [ $_, "v$_" ] } 1 .. 3 ],
                      [ [ qw/a a/ ], [ 1, 2 ] ] ], 'their results');

answer('select g from generate_series(1, 2500) g',
       qr/^SELECT, 2500 rows, the first 1000 are shown/, 'a long result');
is(scalar @{ tables()->[0] }, 1001, 'so many are shown');

answer("select repeat('x', 5000)", qr/1 row/, 'a long value');
like(tables()->[0][1][0], qr/^x{1000}… \(5000 characters\)$/,
     'its beginning is shown');

answer('copy t to stdout', qr/^COPY, 3 rows/, 'COPY to stdout');
is_deeply(tables(), [ [ [ 'COPY' ], map { [ "$_\tv$_" ] } 1 .. 3 ] ],
          'its lines');

answer('copy t from stdin', qr/^Failed/, 'COPY from stdin is refused');
answer('', qr/^empty query/, 'an empty query');
answer("select 'π', E'\\U0001F600'", qr/1 row/, 'Unicode');
is_deeply(tables()->[0][1], [ 'π', '😀' ], 'as it is');

answer(q{do $$begin raise notice 'hello' using hint = 'you'; end$$},
       qr/^DO, /, 'a notice');
said(qr/NOTICE: hello  Hint: you$/, 'is shown');

answer("listen news; notify news, 'today'", qr/^LISTEN; NOTIFY/, 'NOTIFY');
said(qr/NOTIFY news: today$/, 'is shown');


# --- the keyboard ---------------------------------------------------------

$b->js('sql.value = ""');
$b->type('#sql', 'draft');
$b->type('#sql', 'Alt', 'Up');
is($b->js('return sql.value'), "listen news; notify news, 'today'",
   'Alt and Up: the query before');
$b->type('#sql', 'Control', 'Up');
like($b->js('return sql.value'), qr/^do /, 'Control and Up: and before that');
$b->type('#sql', 'Alt', 'Down', 'Down');
is($b->js('return sql.value'), 'draft', 'Down: what was being typed');


# --- errors ---------------------------------------------------------------

answer("select\n lower(1, 2)", qr/^Failed, [\d.]+ ms$/, 'an error');
my $e = error_fields();
is($e->{SQLSTATE}, '42883', 'its SQLSTATE');
is($e->{message}, 'ERROR: function lower(integer, integer) does not exist',
   'its message');
like($e->{Hint}, qr/^No function matches the given name/, 'its hint');
is($e->{Position}, 'line 2, column 2', 'its position');

answer('insert into t values (1)', qr/^Failed/, 'one with a detail');
$e = error_fields();
is($e->{Detail}, 'Key (id)=(1) already exists.', 'its detail');
is($e->{Constraint}, 't_pkey', 'its constraint');

answer('select 1', qr/1 row/, 'the session goes on');

for my $case (
    [ 'a wrong password', $url =~ s/:[^:]*@/:wrong@/r, '28P01' ],
    [ 'an unknown role', $url =~ s/alice/nobody/r, '28P01' ],
    [ 'an unknown database', $url =~ s/app$/none/r, '3D000' ])
{
    my ($name, $string, $code) = @$case;

    fresh($page, $string);
    $b->click('#connect');
    $b->sees('#state', qr/^Not connected$/, "$name: not connected");
    $b->sees('#results .error', qr/SQLSTATE/, "$name: is said");
    is(error_fields()->{SQLSTATE}, $code, "$name: SQLSTATE");
}

fresh($page, 'mysql://a@b/c');
$b->click('#connect');
$b->sees('#results .error', qr/begins with postgresql:/, 'a wrong scheme');

fresh("https://other.db.example.com:$port/", $url);
$b->click('#connect');
$b->sees('#results .error', qr/^FATAL: Inconsistent project name/,
         'two endpoints');


# --- without TLS, the endpoint in options ---------------------------------

connected('plain', "http://127.0.0.1:$plain/",
          $url =~ s/ep-1\.db\.example\.com/ep-2.example.org:1/r
          . '?sslmode=require');
answer('select 1', qr/1 row/, 'plain: a query');
$b->click('#connect');
said(qr/Disconnected\.$/, 'plain: disconnected');
eventually { slurp($access) =~ / 101 ep-2 alice$/m }
    'plain: the endpoint by options', 60;

fresh("http://localhost:$plain/");
$b->click('#connect');
$b->sees('#results .error', qr/WebSocket could not be opened.*origin/,
         'an origin that may not connect');


# --- cold starts ----------------------------------------------------------

connected('warm');
unlike($b->text('#log'), qr/Cold start/, 'warm: no cold start');
$b->click('#connect');

$cp->{process}->hold;
$b->click('#connect');
$b->sees('#state', qr/^Connecting: endpoint "ep-1" is starting, please wait$/,
         'a wake that takes long: says so');
$cp->{process}->release;
$b->sees('#state', qr/^Connected in .*Cold start: the connection was held/,
         'and connects');
$b->click('#connect');

$cp->forget;
$cp->script(wake => map {
    NeonTest::ControlPlane->error(503, 'RUNNING_OPERATIONS', retry => 100)
} 1 .. 5);
$b->click('#connect');
$b->sees('#state', qr/^Connected in/, 'a control plane that asks to wait');
is(scalar(my @wakes = $cp->calls('wake')), 6, 'was asked until it was ready');
$b->click('#connect');

$pg->stop;
$cp->{process}->hold;
$b->click('#connect');
$b->sees('#state', qr/please wait$/, 'a compute that sleeps');
$pg->start;
$cp->{process}->release;
$b->sees('#state', qr/Cold start: PostgreSQL was started for this connection/,
         'is seen to have been started');
$b->click('#connect');

$cp->{process}->hold;
$b->click('#connect');
$b->sees('#state', qr/please wait$/, 'who does not want to wait');
$b->click('#connect');
$b->sees('#state', qr/^Not connected$/, 'need not');
$cp->{process}->release;
eventually { $pg->sessions('alice') == 0 } 'and leaves no session', 60;


# --- running queries ------------------------------------------------------

connected('Escape');
start_long('Escape');
$b->type('#sql', 'Escape');
$b->sees('#summary', qr/^Failed/, 'Escape: ended');
is(error_fields()->{SQLSTATE}, '57014', 'Escape: canceled');
answer('select 1', qr/1 row/, 'Escape: the session goes on');

start_long('Cancel');
$b->click('#cancel');
$b->sees('#summary', qr/^Failed/, 'Cancel: ended');
is(error_fields()->{SQLSTATE}, '57014', 'Cancel: canceled');

$b->tab('new');
connected('a tab');
start_long('a tab');
$b->close;
$b->tab($first);
eventually { runs(0) } 'a tab that is closed: its query ends', 60;
eventually { $pg->sessions('alice') == 1 }
    'a tab that is closed: its session ends', 60;


# --- a reload -------------------------------------------------------------

answer('create temp table here as select pg_backend_pid() as pid', qr/^SELECT/,
       'reload: something of this session');
my %old = map { $_ => 1 } $n->workers;
ok($n->reload, 'reload');
answer('select pid = pg_backend_pid() as same from here', qr/1 row/,
       'reload: a query of the open session');
is_deeply(tables(), [ [ [ 'same' ], [ 't' ] ] ], 'reload: the same session');

my %new = map { $_ => 1 } $n->workers;
my $before = length slurp($access);
sub logged { substr slurp($access), $before }

$b->tab('new');
connected('reload, a new session');
answer('select 1', qr/1 row/, 'reload, a new session: a query');
$b->click('#connect');
eventually { logged() =~ /^\d+ 101 ep-1 alice$/m }
    'reload, a new session: its line in the log', 60;
my ($served) = logged() =~ /^(\d+) 101 ep-1/m;
ok($new{ $served // 0 }, 'reload, a new session: of a new worker');
$b->close;
$b->tab($first);

$b->click('#connect');
eventually {
    return grep { $old{$_} } logged() =~ /^(\d+) 101/mg;
} 'reload: the open session was of an old worker', 60;


# --- a compute that dies --------------------------------------------------

connected('idle');
$pg->stop;
said(qr/ended: terminating connection due to .* \(SQLSTATE 57P01\)\.$/,
     'idle: the end is said');
$b->sees('#state', qr/ended; the next query connects again/, 'and what next');

answer('select 1', qr/^Not run/, 'nobody there: not run');
is(error_fields()->{SQLSTATE}, '08006', 'nobody there: SQLSTATE');

$pg->start;
answer('select 2 as n', qr/1 row/, 'it is back: the query runs');
is_deeply(tables(), [ [ [ 'n' ], [ 2 ] ] ], 'it is back: the answer');

$pg->restart;
$b->sees('#state', qr/^The session was ended/, 'another end');
answer('select 3 as n', qr/1 row/, 'reconnected by the next query');
said(qr/Reconnected in .* What belonged to the session that ended is gone/,
     'reconnected: says so');

start_long('crash');
$pg->stop('immediate');
$b->sees('#summary', qr/^Failed/, 'crash: the query failed');
like(error_fields()->{message}, qr/^\w+: .*terminat/, 'crash: a message');
$b->sees('#state', qr/^The session was ended/, 'crash: the session, too');
$pg->start;
answer('select 4 as n', qr/1 row/, 'crash: reconnected');
is_deeply(tables(), [ [ [ 'n' ], [ 4 ] ] ], 'crash: not the query that failed');

# nginx goes without a word

my $short = $t->port;
my $other = $t->nginx(main => $cp->directives, http => secure($short));

connected('nginx', "https://$host:$short/");
$other->signal('TERM');
said(qr/The session was ended: .*(?:broke|terminated)/, 'nginx: the end');
ask('select 1');
$b->sees('#results .error', qr/The WebSocket could not be opened/,
         'nginx: nobody there');

is_deeply([ grep { !/WebSocket connection to/ } $b->console ], [],
          'the browser has no complaints');

$t->done;
