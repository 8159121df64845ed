#!/usr/bin/perl

# Every way to name an endpoint: SNI, options=endpoint=..., options=project=...;
# what happens when the names differ, are malformed, or are not there.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(plain => 1,
                              main => "domains *.db.example.com;\n");

for my $endpoint (qw/ep-2 a/, 'x' x 63) {
    $cp->role($endpoint, alice => $t->{verifier});
    $cp->endpoint($endpoint, address => $fc->address);
}


# logs in; which endpoint did the control plane hear of?

sub named {
    my (%o) = @_;

    $cp->forget;
    my $c = $t->enter($n, sni => undef, %o);

    is($c->error_text, '', "$o{name}: logged in");
    is($c->value('hello'), 'hello', "$o{name}: a query");
    is_deeply([ map { $_->{query}{endpointish} } $cp->calls ],
              [ ($o{endpoint} // 'ep-1') x 2 ], "$o{name}: the endpoint");
    $c->close;

    return ($fc->notes('startup'))[-1];
}


# is refused before the control plane hears of it

sub refused {
    my ($code, $message, %o) = @_;

    $cp->forget;
    my $c = $t->enter($n, sni => undef, %o);

    is($c->error && $c->error->{C}, $code, "$o{name}: SQLSTATE");
    like($c->error_text, $message, "$o{name}: message");
    is($c->error && $c->error->{S}, 'FATAL', "$o{name}: FATAL");
    is(scalar(() = $cp->calls), 0, "$o{name}: nobody was asked");

    return $c;
}

sub options { return params => [ options => $_[0] ] }


# --- SNI -----------------------------------------------------------------

named(name => 'SNI', sni => 'ep-1.db.example.com');
named(name => 'SNI, another', sni => 'ep-2.db.example.com',
      endpoint => 'ep-2');
named(name => 'SNI in mixed case', sni => 'ep-1.DB.Example.com');
named(name => 'SNI in upper case', sni => 'EP-1.db.example.com');
named(name => 'SNI, one letter', sni => 'a.db.example.com', endpoint => 'a');
named(name => 'SNI with pooler suffix', sni => 'ep-1-pooler.db.example.com',
      endpoint => 'ep-1-pooler');
named(name => 'SNI with direct TLS', sni => 'ep-1.db.example.com',
      tls => 'direct');


# --- options -------------------------------------------------------------

for my $tls (qw/none inband/) {
    named(name => "endpoint= ($tls)", tls => $tls, options('endpoint=ep-1'));
    named(name => "project= ($tls)", tls => $tls, options('project=ep-2'),
          endpoint => 'ep-2');
}

named(name => 'endpoint= with pooler suffix', options('endpoint=ep-1-pooler'),
      endpoint => 'ep-1-pooler');
named(name => '63 letters', options('endpoint=' . 'x' x 63),
      endpoint => 'x' x 63);
named(name => 'options and SNI agree', sni => 'ep-1.db.example.com',
      options('endpoint=ep-1'));
named(name => 'endpoint= in upper case', options('endpoint=EP-1'));
named(name => 'options and SNI agree but for the case',
      sni => 'Ep-1.db.example.com', options('endpoint=eP-1'));

my $startup = named(name => 'among other options', tls => 'none',
    options('-c geqo=off  endpoint=ep-1 -c search_path=a\\ b'));
is($startup->{options}, '-c geqo=off -c search_path=a\\ b',
   'the compute gets the others');

$startup = named(name => 'the only option', options('endpoint=ep-1'));
ok(!exists $startup->{options}, 'the compute gets no empty options');

# as a parameter is set there
for my $form ('-c endpoint=', '-cendpoint=', '--endpoint=', '-c project=') {
    $startup = named(name => $form, options("-c geqo=off ${form}ep-1"));
    is($startup->{options}, '-c geqo=off', "$form: no rest of it");
}


# --- foreign names -------------------------------------------------------

named(name => 'SNI of another domain is no name',
      sni => 'ep-2.other.example.org', options('endpoint=ep-1'));
named(name => 'the domain itself is no name', sni => 'db.example.com',
      options('endpoint=ep-1'));
named(name => 'two labels are no name', sni => 'x.ep-2.db.example.com',
      options('endpoint=ep-1'));
named(name => 'the label api is no name', sni => 'api.db.example.com',
      options('endpoint=ep-1'));


# --- refusals ------------------------------------------------------------

my $c = refused('28000',
    qr/Inconsistent project name .*'ep-1'.*'ep-2'/, name => 'two names',
    sni => 'ep-1.db.example.com', options('endpoint=ep-2'));

refused('28000', qr/must contain only alphanumeric/, name => "name '$_'",
        options("endpoint=$_"))
    for 'ep_1', 'ep.1', "ep\xc3\xa9", '../x', 'x' x 64, 'ep%20', '', 'a/b',
        'ep-1?x=y', "ep-1;x";

refused('28000', qr/must contain only alphanumeric/, name => 'SNI ep_1',
        sni => 'ep_1.db.example.com');

$c = refused('28000', qr/Endpoint ID is not specified/, tls => 'none',
             name => 'no name, in plaintext');
like($c->error->{H}, qr/options=endpoint%3D<endpoint-id>/,
     'the hint says how');


# --- not a name: the password is asked for, which may begin with one -----

for my $case ([ 'no name' ],
              [ 'foreign SNI', sni => 'ep-1.other.example.org' ],
              [ 'two options', options('endpoint=ep-1 endpoint=ep-1') ],
              [ 'endpoint= and project=',
                options('endpoint=ep-1 project=ep-1') ],
              [ 'api', sni => 'api.db.example.com' ])
{
    my ($name, %o) = @$case;

    $cp->forget;
    $c = $t->enter($n, sni => undef, %o);

    is_deeply($c->{auth}, [ 3 ], "$name: asked for a cleartext password");
    is($c->error->{C}, '28000', "$name: a password without prefix");
    like($c->error_text, qr/Endpoint ID is not specified/, "$name: message");
    is(scalar(() = $cp->calls), 0, "$name: nobody was asked");
}


# --- domains *: any name with a dot --------------------------------------

my $any = $t->nginx(main => $cp->directives);
$cp->forget;
$c = $t->enter($any, sni => 'ep-2.whatever.example');
is($c->error_text, '', 'domains is * by default');
is(($cp->calls)[0]{query}{endpointish}, 'ep-2', 'and takes the first label');
$c->close;

$t->done;
