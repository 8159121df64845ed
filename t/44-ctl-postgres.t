#!/usr/bin/perl

# Verifiers, rules and addresses from a real PostgreSQL: control_plane
# postgres://.  Clients log in to the very server that knows their verifiers.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use utf8;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $other = $t->postgres;
my $url = 'postgres://proxy:pro%20%2Fxy@127.0.0.1:' . $pg->port . '/app';

$pg->sql("create role proxy login superuser password 'pro /xy'");

my %secret = map { $_ => $pg->password($_) } qw/alice bob md5er/;

sub front {
    my (@lines) = @_;
    return $t->nginx(main => join '', map { "$_;\n" } "control_plane $url",
                     @lines);
}

# the first value of `select $what`, or the error

sub enter {
    my ($n, %o) = @_;

    my $user = $o{user} // 'alice';
    my $what = delete $o{what} // 'current_user';
    my $c = $t->enter($n, password => $secret{$user} // 'pw', %o);
    my $text = $c->error_text || $c->value("select $what");

    $c->close;
    return $text;
}

sub refused { "28P01 password authentication failed for user \"$_[0]\"" }

my $broken = '57P03 Control plane request failed';


# --- nothing but a URL ---------------------------------------------------

my $n = front();

is(enter($n), 'alice', 'a role of the server, at the server');
is(enter($n, user => 'bob'), 'bob', 'another role');
is(enter($n, sni => 'any-name-pooler.db.example.com'), 'alice',
   'every endpoint is the server');
is(enter($n, cbind => 'require'), 'alice', 'with channel binding');
is(enter($n, tls => 'direct', alpn => [ 'postgresql' ]), 'alice',
   'direct TLS');
is(enter($n, sni => undef, password => "endpoint=ep-1;$secret{alice}"),
   'alice', 'a cleartext password behind its prefix');

is(enter($n, password => 'other'), refused('alice'), 'a wrong password');
is(enter($n, user => 'nobody'), refused('nobody'), 'an unknown role');

$pg->sql('create role silent login');
is(enter($n, user => 'silent'), refused('silent'), 'a role without password');
$n->log_like(qr/\[warn\].* role "silent" has no password/,
             'no password: the log says it');

is(enter($n, user => 'md5er'), refused('md5er'), 'a role with MD5');
$n->log_like(qr/\[warn\].* role "md5er" .*has an MD5 verifier, and/,
             'MD5: the log says it');

is($pg->sql('select distinct application_name from pg_stat_activity'
            . " where usename = 'proxy'"), 'ngx_neon_proxy',
   'the server can see who asks');


# what a client sees of an unknown role is what it sees of a wrong password

sub trace {
    my (%o) = @_;

    my $c = $t->enter($n, password => 'other', %o);
    my @seen = map {
        my ($type, $body) = @$_{qw/type body/};
        $type eq 'R' && unpack('N', $body) == 11
            ? 'SASLContinue ' . join ' ', map { s/^([rs])=(.*)/"$1" . length
              $2/er } split /,/, substr $body, 4
            : $type eq 'E' ? $body =~ s/"[^"]*"/role/r : "$type $body";
    } @{ $c->{messages} };

    $c->close;
    return \@seen;
}

my $known = trace();
like("@$known", qr/SASLContinue r\d+ s24 i=4096/, 'salt and iterations');
is_deeply(trace(user => $_), $known, "$_: as a wrong password")
    for qw/nobody silent md5er/;


# --- expired passwords ---------------------------------------------------

my %until = (
    past => "now() - interval '1 minute'", future => "now() + interval '1 day'",
    infinity => "'infinity'", always => 'null', never => "'-infinity'",
    ancient => "'0044-03-15 BC'", far => "'294000-01-01'",
    zoned => "now() + interval '90 minutes'",
);

for my $role (sort keys %until) {
    my $until = $pg->sql("select $until{$role}");

    $pg->sql("create role $role login password 'pw'"
             . (defined $until ? " valid until '$until'" : ''));
}

# as far from UTC as can be, and in a form of its own
$pg->sql("alter role proxy set timezone = 'Pacific/Kiritimati'");
$pg->sql("alter role proxy set datestyle = 'German'");
$pg->sql('select pg_terminate_backend(pid) from pg_stat_activity'
         . " where usename = 'proxy'");

is(enter($n, user => $_), $_, "valid until: $_")
    for qw/future infinity always far zoned/;
is(enter($n, user => $_), refused($_), "valid until: $_")
    for qw/past never ancient/;
is_deeply(trace(user => 'past', password => 'pw'), $known,
          'an expired password is refused as a wrong one');
$n->log_like(qr/role's password has expired/, 'expired: the log says it');

# the cache keeps the time, too

$pg->sql("create role soon login password 'pw' valid until '"
         . $pg->sql("select now() + interval '10 seconds'") . "'");
is(enter($n, user => 'soon'), 'soon', 'a password that is valid still');
eventually {
    enter($n, user => 'soon') eq refused('soon')
} 'the cached verifier expires with the password', 60;


# --- names as attacks ----------------------------------------------------

my @names = (q{o'brien}, q{back\\slash}, q{dou"ble}, q{$1}, q{%}, 'ключ №1',
             q{x'; drop table t; --}, q{\\'; select 1; --}, "new\nline");

for my $name (@names) {
    $pg->sql('create role ' . $pg->sql('select quote_ident(?)', $name)
             . " login password 'pw'");

    my $bytes = $name;
    utf8::encode($bytes);
    is(enter($n, user => $bytes, what => 'true'), 't',
       "the role $bytes itself" =~ s/\n/\\n/r);
}

my @attacks = (q{alice' or '1'='1}, q{alice'--}, q{alice' --}, q{al%}, q{ALICE},
               q{alice\\}, q{'||'alice}, q{"alice"}, q{alice }, q{ alice},
               q{alice'/**/}, "alice\x{2019}", "\x{ff07}alice",
               q{$$alice$$}, q{E'alice'}, 'alice' . 'x' x 70);

for my $name (@attacks) {
    my $bytes = $name;
    utf8::encode($bytes);

    like(enter($n, user => $bytes, password => $secret{alice}), qr/^28P01 /,
         "no role: $bytes");
}

for my $bytes ("alice\xff", "\xc0\xa7alice", "\xed\xa0\x80", "ali\xe7e") {
    is(enter($n, user => $bytes), refused($bytes),
       'no role: ' . unpack 'H*', $bytes);
}

for my $endpoint (q{ep-1' or true --}, q{ep-1\\}, "ep-1\xff", q{ep"1}) {
    like(enter($n, sni => undef, params => [ options => 'endpoint='
                   . $endpoint =~ s/([\\ ])/\\$1/gr ]),
         qr/^28000 Project name/,
         'no endpoint: ' . $endpoint =~ s/\xff/\\xff/r);
}

is(scalar(grep { !/invalid byte sequence/ }
          grep { /ERROR:/ } split /\n/, $pg->log_text), 0,
   'no name was ever a part of a query');


# --- whose schema is searched --------------------------------------------

my $evil = $pg->sql("select rolpassword from pg_authid where rolname = 'bob'");

$pg->sql($_) for split /;\n/, <<"END";
create schema evil;
create table evil.pg_authid (rolname name, rolpassword text);
insert into evil.pg_authid values ('alice', '$evil'), ('ghost', '$evil');
create function evil.yes(name, text) returns bool language sql as 'select true';
create operator evil.= (leftarg = name, rightarg = text, function = evil.yes);
create function evil.to_regclass(text) returns regclass language sql
    as 'select null::regclass';
alter role proxy set search_path = evil, pg_catalog;
alter role proxy in database app set search_path = evil, pg_catalog;
alter database app set search_path = evil, pg_catalog
END

my $own = front('secret_cache size=0',
                'auth_query "select rolpassword from pg_authid'
                . ' where rolname = $1"');

for my $front ([ 'default' => $n ], [ 'unqualified' => $own ]) {
    my ($name, $nginx) = @$front;

    is(enter($nginx, what => 1, params => [ search_path => 'evil' ]), 1,
       "$name query: the true table");
    is(enter($nginx, what => 1, params => [ options => '-c search_path=evil' ]),
       1, "$name query: nothing of the client's options");
    is(enter($nginx, user => 'ghost', password => $secret{bob}),
       refused('ghost'), "$name query: nobody's table");
}

my $options = $t->nginx(main => "control_plane $url"
    . '?options=-c%20search_path%3Devil%20-c%20lock_timeout%3D7s;'
    . 'secret_cache size=0; node_cache size=0;'
    . 'auth_query "select rolpassword from pg_authid where rolname = $1";'
    . 'node_query "select $1 as e, current_setting(\'search_path\') as host,'
    . ' current_setting(\'statement_timeout\') as port";'
    . 'control_plane_timeout request=7s;');
like(enter($options), qr/^57P03/, 'options of the URL');
$options->log_like(qr/node_query: no valid host, or no port/,
                   'options of the URL: ours count');


# --- addresses allowed ---------------------------------------------------

$pg->sql($_) for split /;\n/, <<'END';
create schema neon_control_plane;
create table neon_control_plane.endpoints
    (endpoint_id varchar(255) primary key, allowed_ips varchar(255));
insert into neon_control_plane.endpoints values
    ('ep-here', '10.0.0.0/8, 127.0.0.1'), ('ep-there', '10.0.0.0/8,192.0.2.7'),
    ('ep-all', ''), ('ep-null', null), ('ep-bad', '127.0.0.300'),
    ('ep-range', '127.0.0.0-127.0.0.9,::1');
END

my %rules = (here => 1, there => 0, all => 1, null => 1, bad => 0, range => 1,
             none => 1, 'there-pooler' => 0, 'HERE' => 1, THERE => 0);

# that there is a table is seen by new connections

my $neon = front();

for my $ep (sort keys %rules) {
    my $is = enter($neon, sni => "ep-$ep.db.example.com");
    my $address = '28000 This IP address 127.0.0.1 is not allowed to connect'
                  . ' to this endpoint.';

    is($is, $rules{$ep} ? 'alice' : $address, "Neon's table: ep-$ep");
}

$neon->log_like(qr/"127\.0\.0\.300" in allowed_ips of endpoint "ep-bad"/,
                'a bad entry: the log says it');

# the table goes: the query fails once, and then it is not asked any more
$pg->sql('drop table neon_control_plane.endpoints');
is(enter($neon, user => 'bob'), $broken, "Neon's table is dropped");
$neon->log_like(qr/access_query:\ 42P01:\ relation
                   \ "neon_control_plane\.endpoints"
                   \ does\ not\ exist\ at\ character\ 25/x,
                'a failing query: the log has the words of the server');
is(enter($neon, user => 'bob'), 'bob', '... and not asked for any more');

$pg->sql($_) for split /;\n/, <<'END';
create schema my;
create table my.rules (name text, nets cidr[], links text[], public bool,
                       private bool);
insert into my.rules values ('ep-in', '{127.0.0.0/8,2001:db8::/32}'),
    ('ep-out', '{2001:db8::/32}'), ('ep-empty', '{}');
insert into my.rules values ('ep-link', null, '{vpce-1,4711}', null, false),
    ('ep-no-public', null, null, true, false),
    ('ep-no-private', null, null, false, true);
create table my.nodes (name text, host text, port int, ssl text, cert text);
create function my.secret(role text, endpoint text, out rolpassword text)
    language sql security definer as $$
        select rolpassword from pg_catalog.pg_authid where rolname = role
            and endpoint <> 'ep-closed' $$;
create role weak login password 'weak';
grant usage on schema my to weak;
grant select on my.rules, my.nodes to weak
END

for ([ 'ep-1', $pg->port ], [ 'ep-2', $other->port ], [ 'ep-in', $pg->port ],
     map { [ $_, $pg->port ] } qw/ep-closed ep-link ep-no-public
                                  ep-no-private/)
{
    $pg->sql("insert into my.nodes values (?, '127.0.0.1', ?)", @$_);
}

$pg->sql("insert into my.nodes values ('ep-1-pooler', 'localhost', ?, 'off')",
         $other->port);


# --- queries of one's own ------------------------------------------------

my $weak = 'postgres://weak:weak@127.0.0.1:' . $pg->port . '/app';
my $mine = $t->nginx(main => <<"END");
control_plane  $weak;
secret_cache   size=0;
auth_query     "select * from my.secret(\$1, \$2);";
access_query   "select nets as allowed_ips from my.rules where name = \$1";
node_query     "select host, port, ssl, cert as server_name from my.nodes
                    where name = \$2";
END

# bob's verifier is on the other server, too
for my $role (qw/alice bob/) {
    my $v = $pg->verifier($role);
    $other->sql("alter role $role password '$v'");
}

my $where = "current_setting('port')";

is(enter($mine, what => $where), $pg->port, 'the node of ep-1');
is(enter($mine, what => $where, sni => 'ep-2.db.example.com'), $other->port,
   'the node of ep-2');
is(enter($mine, what => $where, sni => 'EP-1-POOLER.db.example.com'),
   $other->port, '$2 is the name in full');
is(enter($mine, what => $where, sni => 'ep-in.db.example.com'), $pg->port,
   'an array of addresses');
like(enter($mine, sni => 'ep-out.db.example.com'), qr/^28000 This IP address/,
     'an array of others');
is(enter($mine, sni => 'ep-empty.db.example.com'),
   '28P01 Control plane request failed: endpoint cannot be found',
   'no row: no such endpoint');
is(enter($mine, sni => 'ep-closed.db.example.com'), refused('alice'),
   '$2 of auth_query is the endpoint');


# --- private links -------------------------------------------------------

my @proxies = qw/public private/;
my %linked = map { $_ => $t->port } @proxies;
my $by_link = $t->nginx(
    globals => join('', map { <<"END" } @proxies), stream => join '',
neon_proxy $_ {
    zone            $_ 1m;
    control_plane   $weak;
    auth_query      "select * from my.secret(\$1, '')";
    access_query    "select nets as allowed_ips,
                            links as allowed_vpc_endpoint_ids,
                            public as block_public_connections,
                            private as block_vpc_connections
                         from my.rules where name = \$1";
    node_query      "select host, port from my.nodes where name = \$1";
    private_access  @{[ $_ eq 'private' ? 'on' : 'off' ]};
}
END
    map { <<"END" } @proxies);
server {
    listen 127.0.0.1:$linked{$_} proxy_protocol;
    set_real_ip_from 127.0.0.1;
    neon_proxy_pass $_;
}
END

sub linked {
    my ($proxy, $endpoint, $id) = @_;

    my $c = $t->client(port => $linked{$proxy});

    $c->send(proxy_v2('192.0.2.7', 0xea => "\1$id"));
    $c->login(tls => 'none', password => $secret{alice},
              params => [ options => "endpoint=$endpoint" ]);
    my $said = $c->error_text;
    $c->close;

    return $said;
}

my $blocked = qr/^28000 This connection .* from a blocked network\.$/;

for my $case ([ 'ep-1', 'vpce-1', qr/^$/, qr/^$/ ],
              [ 'ep-link', 'vpce-1', qr/^$/, qr/^$/ ],
              [ 'ep-link', 'vpce-2', qr/^$/, qr/^28000 This VPC endpoint id/ ],
              [ 'ep-no-public', 'vpce-2', $blocked, qr/^$/ ],
              [ 'ep-no-private', 'vpce-2', qr/^$/, $blocked ])
{
    my ($endpoint, $id, @expected) = @$case;

    like(linked($proxies[$_], $endpoint, $id), $expected[$_],
         "$proxies[$_], $endpoint by $id") for 0, 1;
}


# --- answers that are none -----------------------------------------------

my @bad = (
    [ 'syntax' => 'auth_query "select where rolname = $1 from"',
      qr/auth_query: 42601: syntax error at or near "from" at character 27/ ],
    [ 'no table' => 'auth_query "select 1 from nowhere where x = $1"',
      qr/auth_query: 42P01: relation "nowhere" does not exist/ ],
    [ 'no right' => 'auth_query "select rolpassword from my.rules,'
                    . ' pg_authid where rolname = $1"', qr/42501/, 'weak' ],
    [ 'no column' => 'auth_query "select $1 as passwd"',
      qr/auth_query: no column rolpassword/ ],
    [ 'two rows' => 'auth_query "select $1 as rolpassword union all'
                    . ' select null"', qr/auth_query: more than one row/ ],
    [ 'three parameters' => 'auth_query "select $1 || $2 || $3'
                            . ' as rolpassword"', qr/auth_query: 08P01|42P02/ ],
    [ 'a date' => 'auth_query "select rolpassword, rolvaliduntil::date as'
                  . ' rolvaliduntil from pg_authid where rolname = $1"',
      qr/rolvaliduntil is no timestamp with time zone/ ],
    [ 'no rows at all' => 'auth_query "set application_name = $1"',
      qr/auth_query: 42601/ ],
    [ 'an update' => 'auth_query "update my.rules set name = name'
                     . ' where name = $1"', qr/it returns no rows/ ],
    [ 'COPY' => 'auth_query "copy my.rules to stdout /* $1 */"',
      qr/auth_query: (?:it is a COPY|08P01)/ ],
    [ 'no allowed_ips' => 'access_query "select $1 as ips"',
      qr/access_query: no column allowed_ips/ ],
    [ 'blocked?' => q{access_query "select $1 as allowed_ips, 'no' as}
                    . ' block_vpc_connections"', qr/is no boolean/ ],
    [ 'no port' => 'node_query "select $1 as host"',
      qr/node_query: no column host or port/ ],
    [ 'NULL' => 'node_query "select $1 as host, null as port"',
      qr/node_query: no column host or port, or it is NULL/ ],
    [ 'port 0' => 'node_query "select $1 as host, 0 as port"',
      qr/node_query: no valid host, or no port/ ],
    [ 'host' => q{node_query "select $1 || ' ' as host, 1 as port"},
      qr/node_query: no valid host/ ],
    [ 'ssl' => q{node_query "select $1 as host, 1 as port, 'yes' as ssl"},
      qr/node_query: ssl is neither/ ],
    [ 'server_name' => q{node_query "select $1 as host, 1 as port, '' as}
                       . ' server_name"', qr/no valid server_name/ ],
);

# all of them in one nginx, each with a block of its own

my (@ports, $globals, $servers);

for my $bad (@bad) {
    my ($name, $line, undef, $who) = @$bad;

    my $i = @ports;
    my $from = $who ? $weak : $url;

    push @ports, $t->port;
    $globals .= "neon_proxy bad$i { zone bad$i 1m; control_plane $from;"
                . " $line; }\n";
    $servers .= "server { listen 127.0.0.1:$ports[$i];"
                . " neon_proxy_pass bad$i; }\n";
}

my $bad = $t->nginx(globals => $globals, stream => $servers);

for my $i (0 .. $#bad) {
    my ($name, $line, $log) = @{ $bad[$i] };
    my $before = length $bad->log;

    my $c = $t->login(port => $ports[$i], tls => 'none',
                      password => $secret{alice},
                      params => [ options => 'endpoint=ep-1' ]);
    is($c->error_text, $broken, "$name: refused");
    $c->close;

    eventually { substr($bad->log, $before) =~ /\[error\]/ } "$name: an error";
    like(substr($bad->log, $before), $log, "$name: the log says why");
    is(() = substr($bad->log, $before) =~ /\[error\]/g, 1, "$name: once");
}

# --- the example that comes with the module ------------------------------

my $example = slurp(top() . '/conf/postgres.conf.example');
my ($sql) = $example =~ /^# As superuser.*?\n#\n(.*?)^# The servers of/ms;
my @queries = $example =~ /^ +((?:auth|access|node)_query .*?;)/msg;

is(scalar @queries, 3, 'the example has three queries');

$sql =~ s/^#//mg;
$other->sql($_) for grep { /\S/ } split /;\n/, $sql;
$other->sql("update proxy.endpoints set host = '127.0.0.1', port = ?",
            $other->port);
$other->sql("create role chief login superuser password 'pw'");

my $shown = $t->nginx(main => join "\n", @queries,
    'control_plane postgres://proxy:the%20password@127.0.0.1:'
    . $other->port . '/app;');

is(enter($shown, sni => 'ep-orders.db.example.com'), 'alice',
   'the example: a role');
like(enter($shown, sni => 'ep-billing.db.example.com'), qr/^28000 This IP/,
     'the example: addresses');
is(enter($shown, sni => 'ep-orders.db.example.com', user => 'chief'),
   refused('chief'), 'the example: no superuser');
unlike($shown->log, qr/role "chief" has no password/, 'it is no role at all');
is(enter($shown), '28P01 Control plane request failed: endpoint cannot be'
   . ' found', 'the example: no such endpoint');


# --- reloads ---------------------------------------------------------------

# what the queries of before said is not what the new ones say

sub reload {
    my ($n, @lines) = @_;

    $n->set(main => join '', map { "$_;\n" } @lines);
    ok($n->reload, "reload: $lines[-1]");
}

my ($port, $theirs) = ($pg->port, $other->port);
$n = front('secret_cache ttl=1h', 'node_cache ttl=1h');
is(enter($n, what => $where), $port, 'the server of the URL');

reload($n, "control_plane $url",
       q(node_query "select '127.0.0.1' as host,)
       . qq( $theirs as port where \$1 <> ''"));
is(enter($n, what => $where), $theirs, 'the one of the query');

reload($n, "control_plane $url",
       q(auth_query "select rolname, rolpassword from pg_authid)
       . q( where rolname = $1 and rolname <> 'alice'"));
is(enter($n), refused('alice'), 'a role that the query leaves out');

reload($n, "control_plane $url");
is(enter($n, what => $where), $port, 'without the queries');

reload($n, "control_plane $url",
       q(access_query "select '192.0.2.1' as allowed_ips where $1 <> ''"));
like(enter($n), qr/^28000 This IP address/, 'an address that it leaves out');

$other->sql("alter role proxy superuser password 'pro /xy'");
reload($n, 'control_plane ' . $url =~ s/:$port/:$theirs/r);
is(enter($n, what => $where), $theirs, 'the server of the new URL');


unlike($_->log, qr/pro( |%20)|%2Fxy/, 'no password in a log')
    for $n, $own, $mine, $bad;

$t->done;
