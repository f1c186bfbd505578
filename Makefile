# make            this list
# make run        build, install what is missing, start the daemon in the foreground (ARGS="-c DIR …")
# make demo       see it ban: no PBX, no root needed
# make test       the tests
# make bench      the benches, and the table that holds fail2ban, rg and us side by side (root; some minutes)
# make bench-compare   our last table beside the kept one; instructions are counted anew (valgrind)
# make e2e        a real Asterisk under attack, in network namespaces (root; the first time makes a Debian tree)
# make check      formatting, lints, documentation
# make install    binary, man pages, systemd unit (DESTDIR, PREFIX)

PREFIX ?= /usr/local
bindir = $(PREFIX)/bin
BINARY = target/release/sipjail

help:
	@sed -n 's/^# //p' Makefile

build:
	tests/need.sh cc:gcc
	cargo build --release

run: build
	tests/need.sh iptables:iptables
	$(BINARY) run $(ARGS)

demo: build
	SIPJAIL=$(BINARY) tests/demo.sh

test:
	tests/need.sh cc:gcc fail2ban-regex:fail2ban iptables:iptables ipset:ipset ip:iproute2 python3:python3
	cargo test

bench:
	tests/need.sh fail2ban-regex:fail2ban iptables:iptables ipset:ipset rg:ripgrep
	cargo bench --no-run
	@uname -srm; grep -m1 'model name' /proc/cpuinfo; nproc; date -I
	SIPJAIL_BENCH_NETNS=1 $$(unshare -n true 2>/dev/null && echo unshare -n) cargo bench --offline

bench-compare:
	tests/need.sh valgrind:valgrind
	cargo bench --bench side_by_side -- --only instructions
	cargo bench --bench side_by_side -- --compare

e2e: build
	tests/need.sh iptables:iptables ipset:ipset ip:iproute2 sipp:sip-tester logrotate:logrotate debootstrap:debootstrap
	SIPJAIL=$(BINARY) tests/lab/e2e.py

check:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

$(BINARY):
	$(MAKE) build

install: $(BINARY)
	install -D -m 755 $(BINARY) $(DESTDIR)$(bindir)/sipjail
	for page in man/*.[1-9]; do [ ! -e $$page ] || \
	  install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@bindir@|$(bindir)|' systemd/sipjail.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/sipjail.service

.PHONY: help build run demo test bench bench-compare e2e check install
