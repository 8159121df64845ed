#!/usr/bin/perl

# Reloads that change the configuration under open sessions: every directive,
# a block that goes, one that comes, zones of another size.  A session keeps
# what it started with.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my $dir = $t->dir;
my ($port, $http) = ($t->port, $t->port);

my $handler = sub {
    my ($c) = @_;

    my $p = $c->startup or return;
    $c->welcome;
    $c->serve(sub { $_[0] =~ /^wait/ ? sleep(1) && 'waited' : $p->{user} });
};

my ($n, $cp, $fc) = $t->front(cache => 1, compute => $handler);
my $main = $cp->directives;
my $servers = $n->servers;
my $other = $t->fake_compute($handler);

spew("$dir/secret", 'a secret of more than 16 characters');
spew("$dir/roles", qq{"bob" "$t->{verifier}"\n});
chmod 0600, "$dir/secret", "$dir/roles";

sub enter { $t->enter($n, @_) }

sub enter_other {
    return $t->enter($n, port => $port, user => 'bob', tls => 'none',
                     params => [ options => 'endpoint=ep-9' ], @_);
}

sub cancels { scalar(() = $fc->notes('cancel')) }

# through whoever listens now

sub cancel {
    my ($c) = @_;

    my $k = $t->client(port => $n->port);
    $k->send(ssl_request);
    $k->read_n(1);
    $k->start_tls(sni => 'ep-1.db.example.com');
    $k->send(cancel_request($c->{pid}, $c->{key}));

    return $k->read_all;
}


# --- every directive ------------------------------------------------------

my $first = enter();
is($first->value('who'), 'alice', 'a session');

my $all = <<"END";
zone                   main 33m;
control_plane_timeout  connect=3s request=20s;
auth                   scram;
node_cache             size=10 ttl=1m stale=1m;
secret_cache           size=10 ttl=1m negative=1s stale=1m;
mock_secret            file:$dir/secret;
md5_verifiers          on;
limit_connections      rate=1000r/s burst=1000;
limit_unknown          rate=20r/s;
drain                  wait;
domains                *.db.example.com;
resolver               127.0.0.1:1 ipv6=off;
resolver_timeout       1s;
wake_retry             attempts=2 base=50ms factor=2;
connect_retry          attempts=2 base=50ms factor=3;
connect_timeout        3s;
login_timeout          14s;
client_timeout         14s;
wake_timeout           50s;
wake_notice            10s;
compute_ssl            off;
compute_ssl_trusted_certificate @{[ $t->certs('ca.crt') ]};
tls_required           off;
forward_parameters     neon;
kdf_threads            neon;
websocket_insecure     on;
websocket_ping         10s;
websocket_origins      https://a.example.com;
websocket_tunnel       db.example.com:5432;
otlp                   http://127.0.0.1:1/v1/traces sample=0;
END

# what this test does not know would not be tested
my %known = map { $_ => 1 }
            slurp(top() . '/ngx_neon_proxy_module/face/ngx_neon_conf_module.c')
            =~ /\{ ngx_string\("(\w+)"\),\n +NGX_NEON_CONF/g;
delete @known{$all =~ /^(\w+)/mg};
delete @known{qw/control_plane control_plane_api control_plane_token endpoint
                 role_file auth_query access_query node_query
                 control_plane_connections private_access/};
is(join(' ', sort keys %known), '', 'every directive is there');

$cp->forget;
$n->set(main => $main . $all, globals => 'thread_pool neon threads=2;');
ok($n->reload, 'reload with all directives changed');
is($first->value('who'), 'alice', 'the session goes on');

my $second = enter();
is($second->value('who'), 'alice', 'a new session');
is(scalar($cp->calls('wake')), 1, 'another zone: its caches are empty');
$n->log_like(qr/neon zone "main" has another size now: it starts empty/,
             'which the log says');

is(cancel($first), '', 'a cancel request for the session of the old zone');
is(cancel($second), '', 'and for one of the new zone');
eventually { cancels() == 1 } 'only the latter has its key there';

$n->set(main => $main, globals => '');
ok($n->reload, 'and back');
is($_->value('who'), 'alice', 'all sessions go on') for $first, $second;
enter()->close;

$n->set(main => $main . "private_access on;\n");
ok($n->reload, 'to a proxy of private links');
like(enter()->error_text, qr/^28000 VPC endpoint ID is not specified/,
     'a new session needs one');
is($_->value('who'), 'alice', 'all sessions go on') for $first, $second;

$n->set(main => $main);
ok($n->reload, 'and back');
enter()->close;


# --- blocks that come and go ----------------------------------------------

my $more = "neon_proxy other {\ncontrol_plane static;\nendpoint * "
           . $other->address . ";\nrole_file $dir/roles;\n}\n";
my $pass = "server { listen 127.0.0.1:$port; neon_proxy_pass other; }\n";

$n->set(globals => $more, stream => $servers . $pass,
        http => "server { listen 127.0.0.1:$http;"
                . " location / { neon_proxy_status other; } }");
ok($n->reload, 'a reload that adds a block');
my $bob = enter_other();
is($bob->value('who'), 'bob', 'it serves');
is($_->value('who'), 'alice', 'others are not concerned') for $first, $second;

$bob->send(message('Q', "wait\0"));
$n->set(globals => '', stream => $servers, http => undef);
ok($n->reload, 'a reload that removes it');
is($bob->result->{rows}[0][0], 'waited', 'its session goes on');
is($bob->value('who'), 'bob', 'and on');
eventually { !eval { $t->client(port => $port)->drop; 1 } }
           'nobody listens there';

$n->set(globals => $more =~ s/other \{/other {\nzone other 1m;/r,
        stream => $servers . $pass);
ok($n->reload, 'it comes back, with a zone of another size');
my $again = enter_other();
is($again->value('who'), 'bob', 'and serves');
is($bob->value('who'), 'bob', 'its first session is still there');

# two blocks cannot have one zone
$n->expect(qr/\[emerg\]/);
my $was = $n->started;
$n->set(globals => $more =~ s/other \{/other {\nzone main 1m;/r);
$n->reload;
is(scalar(() = $n->started), $was, 'a zone of another block is refused');
is($again->value('who'), 'bob', 'and nothing changes');

$n->set(globals => '', stream => $servers);
ok($n->reload, 'and it goes again');
$_->close for $first, $second, $bob, $again;
eventually { (grep { kill 0, $_ } $n->started) == 1 } 'old workers leave';
is(enter()->value('who'), 'alice', 'the rest goes on');

$t->done;
