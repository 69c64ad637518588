#!/usr/bin/perl
# What t/prove does of tests that fail: which it runs again, how, and what it says.
use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp;
use FindBin;
use Test::More;

my $folder;

# A fresh folder of tests: {name: the body of a shell script, which `note` and `first` are known to}.
# Each notes when it begins and ends.
sub tests {
    my (%bodies) = @_;
    $folder = File::Temp->newdir('adit-again-XXXXXX', TMPDIR => 1);
    make_path("$folder/t");
    for my $name (keys %bodies) {
        open my $out, '>', "$folder/t/$name" or die "$name: $!\n";
        print $out <<"EOF";
#!/bin/sh
note() { echo "\$1 $name" >> $folder/notes; }
first() { test \$(grep -c "begin $name" $folder/notes) = 1; }
good() { echo "ok 1"; echo "1..1"; note end; exit 0; }
bad() { echo "not ok 1"; echo "1..1"; note end; exit 1; }
note begin
$bodies{$name}
EOF
        chmod 0755, "$folder/t/$name" or die "$name: $!\n";
    }
}

# Runs all of them: the exit status and what was printed, and what the tests have noted.
sub prove_them {
    my (%more) = (again => 1, jobs => 3, @_);
    local $ENV{ADIT_BUILDDIR} = "$folder";
    local $ENV{ADIT_TEST_AGAIN} = $more{again};
    opendir my $in, "$folder/t" or die "$folder: $!\n";
    my $names = join ' ', map { "t/$_" } sort grep { !/^\./ } readdir $in;
    my $printed = qx('$FindBin::Bin/prove' -j$more{jobs} --comments -- $names 2>&1);
    my $status = $? >> 8;
    open my $notes, '<', "$folder/notes" or die "notes: $!\n";
    chomp(my @notes = <$notes>);
    return ($status, $printed, @notes);
}

sub count { my ($word, @notes) = @_; return scalar grep { $_ eq $word } @notes }

my $raced = 'first && bad; good';

tests(a => 'good', b => 'good');
my ($status, $printed) = prove_them();
is $status, 0, 'all pass: the exit status';
unlike $printed, qr/====/, 'all pass: no word of a second run';

tests(a => 'good', b => $raced, c => $raced, d => 'good');
($status, $printed, my @notes) = prove_them();
is $status, 0, 'two fail beside others and pass alone: the exit status';
like $printed, qr{^==== FAILED BESIDE OTHERS, PASSED ALONE: t/b t/c\n\z}m,
    '... the last line names them';
is count('begin a', @notes), 1, '... a test that passed is not run again';
my ($at) = grep { join(' ', @notes[$_ .. $#notes]) eq 'begin b end b begin c end c' } 0 .. $#notes;
ok defined $at, '... each is run again when all others have ended, and alone' or diag "@notes";

tests(a => 'good', b => $raced, c => 'bad');
($status, $printed) = prove_them();
is $status, 1, 'one fails twice: the exit status';
like $printed, qr{^==== FAILED BESIDE OTHERS, PASSED ALONE: t/b\n==== FAILED TWICE, .*: t/c\n\z}m,
    '... the last lines name both kinds';

tests(map({ $_ => $raced } qw(a b c d)), e => 'good');
($status, $printed, @notes) = prove_them();
is $status, 1, 'more than three fail: the exit status';
like $printed, qr{^==== 4 files failed, and none is run again, .*: t/a t/b t/c t/d\n\z}m,
    '... the last line';
is count('begin a', @notes), 1, '... none is run again';

tests(a => 'first && { echo "# WARNING: ThreadSanitizer: data race (pid=1)"; bad; }; good',
    b => 'good');
($status, $printed, @notes) = prove_them();
is $status, 1, "a sanitizer's report: the exit status";
like $printed, qr{^==== no file is run again, .*: WARNING: ThreadSanitizer: .* \(pid=1\)\n\z}m,
    '... the last line';
is count('begin a', @notes), 1, '... it is not run again';

tests(a => 'first && { echo "# WARNING: ThreadSanitizer: thread leak (pid=1)"; bad; }; good',
    b => 'good');
($status) = prove_them();
is $status, 0, 'a thread that did not end in time is a matter of load: the exit status';

my $leak = 'echo "==7==ERROR: LeakSanitizer: detected memory leaks" >&2; '
    . 'echo "SUMMARY: AddressSanitizer: 9 byte(s) leaked in 1 allocation(s)." >&2;';
tests(a => "first && { $leak bad; }; good", b => 'good');
($status) = prove_them();
is $status, 0, 'what a unit test leaks as a case fails is a matter of load: the exit status';

tests(a => "$leak bad", b => 'good');
($status) = prove_them();
is $status, 1, '... where it leaks alone, too, it has failed';

tests(a => 'first && { echo "# ==7==ERROR: LeakSanitizer: detected memory leaks"; bad; }; good',
    b => 'good');
($status) = prove_them();
is $status, 1, "... a leak of adit's, which a test shows, is none";

tests(a => 'first && { echo ok 1; echo 1..2; exit 0; }; good', b => 'good');
($status, $printed) = prove_them();
is $status, 0, 'a test that broke off with the status 0 is run again, too: the exit status';
like $printed, qr{PASSED ALONE: t/a\n\z}, '... the last line';

tests(a => 'first && { echo "Bail out! no adit"; exit 1; }; good', b => 'good');
($status, $printed) = prove_them();
isnt $status, 0, 'a test that stops all: the exit status';
unlike $printed, qr/PASSED ALONE/, '... there is no second run';

tests(a => $raced, b => 'good');
($status) = prove_them(again => 0);
is $status, 1, 'without ADIT_TEST_AGAIN there is no second run';

tests(a => $raced, b => 'good');
($status) = prove_them(jobs => 1);
is $status, 1, 'a test that nothing ran beside has no second run';

done_testing;
