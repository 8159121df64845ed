package NeonTest::Link;

# An nginx with `control_plane link`, clients that wait, and the console that
# calls back.
#
#   my $l = NeonTest::Link->new($t, link => 'timeout=5s', workers => 2);
#   my $c = $l->knock;                  # waits; $c->{link} is the session id
#   is($l->answer($c->{link}, port => $pg->port), 'ok');
#   is($c->authenticate->error_text, '');
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use JSON::PP;

use NeonTest::Wire;

my $url = 'https://console.example.com/psql_session/';


# new($t, link => more arguments, main => more directives, manage => more of
#     the management server, head => text before it, ... of NeonTest::Nginx)

sub new {
    my ($class, $t, %o) = @_;

    my $self = bless { t => $t, port => $t->port, manage => $t->port },
                     $class;

    my $link = delete $o{link} // '';
    my $more = delete $o{manage} // '';

    $self->{nginx} = $t->nginx(
        %o, port => $self->{port},
        main => "control_plane link $url $link;\n" . ($o{main} // ''),
        stream_head => (delete $o{head} // '')
                       . "server { listen 127.0.0.1:$self->{manage};"
                       . " neon_proxy_manage main; $more }\n");

    return $self;
}


sub nginx { $_[0]{nginx} }
sub port { $_[0]{port} }
sub manage_port { $_[0]{manage} }


# a client that was shown the URL; of `tls => 'none'` on the plain port, if it
# is not said which

sub knock {
    my ($self, %o) = @_;

    my $n = $self->{nginx};
    my $plain = ($o{tls} // '') eq 'none';
    my $c = $self->{t}->client(port => $o{port} // ($plain ? $n->plain_port
                                                          : $n->port));

    if (!$plain) {
        $c->send(ssl_request);
        die "no TLS\n" if $c->read_n(1) ne 'S';
        $c->start_tls(sni => 'db.example.com');
    }

    $c->send(startup_packet([ user => 'me', @{ $o{params} // [] } ],
                            $o{version}));

    return $self->greeted($c);
}


# reads up to the notice, or an error

sub greeted {
    my ($self, $c) = @_;

    while (my $m = $c->read_message) {
        push @{ $c->{greeting} }, $m->{type};

        if ($m->{type} eq 'E') {
            $c->{error} = error_fields($m->{body});
            last;
        }

        next if $m->{type} ne 'N';

        $c->{notice} = error_fields($m->{body});
        $c->{link} = link_of($c->{notice}{M});
        last;
    }

    return $c;
}


sub link_of {
    my ($text) = @_;

    return $text =~ m{^\s+\Q$url\E([0-9a-f]+)$}m ? $1 : undef;
}


# a management connection that has logged in

sub console {
    my ($self, %o) = @_;

    return $self->{t}->login(port => $self->{manage}, tls => 'none',
                             user => 'console', %o);
}


# a callback's text; %o: members of "Success", undef: none

sub callback {
    my ($id, %o) = @_;

    my %success = (host => '127.0.0.1', user => 'trusty', dbname => 'app',
                   aux => { endpoint_id => 'ep-link-1',
                            project_id => 'project-1',
                            branch_id => 'branch-1', compute_id => 'c-1',
                            cold_start_info => 'warm' }, %o);

    defined $success{$_} or delete $success{$_} for keys %success;

    my $text = JSON::PP->new->canonical->encode(
        { session_id => $id, result => { Success => \%success } });

    # bytes, to TLS, too
    utf8::downgrade($text);

    return $text;
}


# what the console gets: "ok", or the error

sub say {
    my ($self, $console, $text) = @_;

    my $r = $console->query($text);

    return $console->error_text if $r->{error};
    return "$r->{rows}[0][0]" if $r->{tag} && $r->{tag} eq 'SELECT 1'
                                 && @{ $r->{rows} } == 1 && !$r->{eof};
    return 'no answer';
}


# a callback on a connection of its own

sub answer {
    my ($self, $id, %o) = @_;

    my $console = $self->console;
    my $said = $self->say($console, callback($id, %o));

    $console->close;
    return $said;
}


1;
