#!/usr/bin/perl

# What the control plane is asked over HTTP, in both forms of the API, and
# that nothing a client says can change a question.

use lib 't/lib';
use NeonTest;

my $t = NeonTest->new;
my $uuid = qr/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}
              -[0-9a-f]{12}$/x;


# --- version 1 -----------------------------------------------------------

my ($n, $cp, $fc) = $t->front;
my @app = (params => [ application_name => 'my app' ]);

my $c = $t->enter($n, @app);
is($c->error_text, '', 'v1: logged in');
$c->close;

my ($access, $wake, @more) = $cp->calls;
is(scalar @more, 0, 'v1: two calls');
is($access->{call}, 'access', 'v1: first who may enter');
is($wake->{call}, 'wake', 'v1: then the wake-up');

is($access->{method}, 'GET', 'v1: GET');
is($access->{path}, '/authenticate/v1/get_endpoint_access_control',
   'v1: path of the first');
is($wake->{path}, '/authenticate/v1/wake_compute', 'v1: path of the second');

my $id = $access->{query}{session_id};
like($id, $uuid, 'v1: session_id is a UUID');

is_deeply($access->{query}, { session_id => $id, endpointish => 'ep-1',
          application_name => 'my app/tcp', role => 'alice' },
          'v1: parameters of the first');
is_deeply($wake->{query}, { session_id => $id, endpointish => 'ep-1',
          application_name => 'my app/tcp' },
          'v1: parameters of the second');

for my $call ($access, $wake) {
    is($call->{headers}{'x-request-id'}, $id, "v1: X-Request-ID");
    is($call->{headers}{authorization}, 'Bearer test-token', 'v1: token');
    is($call->{headers}{host}, '127.0.0.1:' . $cp->port, 'v1: Host');
    like($call->{line}, qr{HTTP/1\.1$}, 'v1: HTTP/1.1');
}

is($access->{connection}, $wake->{connection}, 'v1: one connection');

$cp->forget;
$c = $t->enter($n);
$c->close;
($access) = $cp->calls('access');
isnt($access->{query}{session_id}, $id, 'v1: another session, another id');
is($access->{query}{application_name}, '/tcp',
   'v1: no application_name');
is($access->{connection}, $wake->{connection},
   'v1: the connection is kept alive');

$cp->forget;
$c = $t->enter($n, params => [ options =>
    '-c a=b neon_lsn:0/2 neon_timestamp:2024-01-01T00:00:00Z neon_x&y:z' ]);
$c->close;
($wake) = $cp->calls('wake');
is($wake->{query}{'options[lsn]'}, '0/2', 'v1: options[lsn]');
is($wake->{query}{'options[timestamp]'}, '2024-01-01T00:00:00Z',
   'v1: options[timestamp]');
ok(!exists $wake->{query}{y}, 'v1: a name with & adds no parameter');


# --- escaping ------------------------------------------------------------

my @names = ('a&b=c', 'x#y', 'q?r', 'p%41', 'with space', 'plus+plus',
             'sl/ash', "\xc3\xa9\xe2\x82\xac", '&endpointish=ep-2',
             "new\r\nX-Evil: 1", "\x01\x7f", 'x' x 200, "'\"\\;<>");

for my $name (@names) {
    (my $shown = $name) =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;

    # no longer than PostgreSQL's own names
    my $app = substr $name, 0, 60;

    $cp->role('ep-1', $name => $t->{verifier});
    $cp->forget;

    $c = $t->enter($n, user => $name,
                   params => [ application_name => $app ]);
    is($c->error_text, '', "role '$shown': logged in");
    $c->close;

    for my $call ($cp->calls) {
        my $which = $call->{call};

        is($call->{query}{endpointish}, 'ep-1', "'$shown': $which, endpoint");
        is($call->{query}{application_name}, "$app/tcp",
           "'$shown': $which, application_name");
        is(join(' ', sort keys %{ $call->{headers} }),
           join(' ', sort keys %{ $access->{headers} }),
           "'$shown': $which, no other headers");
        like($call->{target}, qr/^[!-~]+$/, "'$shown': $which, escaped");
        is($call->{query}{role}, $name, "'$shown': role")
            if $which eq 'access';
    }
}

is(($cp->calls)[0]{connection}, $access->{connection},
   'still the same connection');


# --- base URLs and tokens ------------------------------------------------

for my $case ([ '/', '/' ], [ '', '/' ], [ '/a/b/', '/a/b/' ],
              [ '/a%20b', '/a%20b/' ])
{
    my ($base, $path) = @$case;

    my $other = $t->nginx(main => 'control_plane http://127.0.0.1:'
                                  . $cp->port . "$base;");
    $cp->forget;
    $c = $t->enter($other);
    is($c->error_text, '', "base '$base': logged in");
    $c->close;

    ($access) = $cp->calls('access');
    is($access->{path}, "${path}get_endpoint_access_control",
       "base '$base': path");
    like($access->{headers}{authorization} // '', qr/^(?:Bearer ?)?$/,
         "base '$base': no token");
}

my $file = spew($t->dir . '/token', "from-a-file\n");

for my $case ([ "file:$file" => 'from-a-file' ],
              [ 'env:NEON_TEST_TOKEN' => 'from-the-environment' ])
{
    my ($value, $token) = @$case;

    my $other = $t->nginx(
        main => 'control_plane ' . $cp->url . "; control_plane_token $value;",
        env => { NEON_TEST_TOKEN => 'from-the-environment' });
    $cp->forget;
    $c = $t->enter($other);
    $c->close;
    is(($cp->calls)[0]{headers}{authorization}, "Bearer $token",
       "control_plane_token $value");
}

# the name of the control plane is resolved
my $named = $t->nginx(main => 'control_plane http://localhost:' . $cp->port
                              . '/authenticate/v1;');
$cp->forget;
$c = $t->enter($named);
is($c->error_text, '', 'control plane by name: logged in');
is(($cp->calls)[0]{headers}{host}, 'localhost:' . $cp->port,
   'control plane by name: Host');
$c->close;


# --- 2023 ----------------------------------------------------------------

($n, $cp, $fc) = $t->front(api => '2023');

$c = $t->enter($n, @app);
is($c->error_text, '', '2023: logged in');
is($c->value('hello'), 'hello', '2023: a query');
$c->close;

($access, $wake) = $cp->calls;
is($access->{path}, '/authenticate/v1/proxy_get_role_secret',
   '2023: path of the first');
is($wake->{path}, '/authenticate/v1/proxy_wake_compute',
   '2023: path of the second');

$id = $access->{query}{session_id};
like($id, $uuid, '2023: session_id');
is_deeply($access->{query}, { session_id => $id, project => 'ep-1',
          application_name => 'my app', role => 'alice' },
          '2023: parameters of the first');
is_deeply($wake->{query}, { session_id => $id, project => 'ep-1',
          application_name => 'my app' }, '2023: parameters of the second');
is($wake->{headers}{'x-request-id'}, $id, '2023: X-Request-ID');

$cp->forget;
$c = $t->enter($n);
$c->close;
ok(!exists $_->{query}{application_name},
   "2023: no application_name in $_->{call}") for $cp->calls;

is($t->enter($n, password => 'x')->error_text,
   '28P01 password authentication failed for user "alice"',
   '2023: wrong password');
is($t->enter($n, user => 'nobody')->error_text,
   '28P01 password authentication failed for user "nobody"',
   '2023: unknown role (404)');
is($t->enter($n, sni => 'ep-9.db.example.com')->error_text,
   '28P01 password authentication failed for user "alice"',
   '2023: unknown endpoint (404)');

$cp->script(wake => { status => 423, json => { error => 'text' } });
$c = $t->enter($n);
is($c->error->{M}, 'Control plane request failed: endpoint is temporarily'
   . ' unavailable. Check your quotas and/or contact our support.',
   '2023: an error of wake_compute');


# --- TLS -----------------------------------------------------------------

# certificates are verified: this one is of a CA that the system does not know

my $tls = $t->control_plane(tls => 1);
my $s = $t->nginx(main => $tls->directives . "wake_retry attempts=1;\n");

$c = $t->enter($s);
is($c->error && $c->error->{C}, '57P03', 'https, unknown CA: SQLSTATE');
like($c->error_text, qr/Control plane request failed/,
     'https, unknown CA: message');
is(scalar(() = $tls->calls), 0, 'https, unknown CA: nothing was sent');
$s->log_like(qr/certificate|SSL/, 'https, unknown CA: the log says it');

$t->done;
