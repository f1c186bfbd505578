# make            this list
# make run        build, install what is missing, start the daemon in the foreground (ARGS="-c DIR …")
# make demo       see it ban: no PBX, no root needed
# make test       the tests
# make bench      the benches, and the table that holds fail2ban, rg and us side by side (root; some minutes)
# make bench-compare   our last table beside the kept one; instructions are counted anew (valgrind)
# make e2e        a real Asterisk under attack, in network namespaces (root; the first time makes a Debian tree)
# make check      formatting, lints, documentation
# make install    binary, man pages, systemd unit (DESTDIR, PREFIX)
# make install-compat  the same, and in place of fail2ban: its programs' names, a fail2ban.service on /etc/fail2ban
# make uninstall-compat  takes those away again; sipjail itself stays

PREFIX ?= /usr/local
bindir = $(PREFIX)/bin
BINARY = target/release/sipjail
# fail2ban's programs that this one is. There is no Python here, so no fail2ban-python.
FACES = fail2ban-client fail2ban-server fail2ban-regex
# Where fail2ban would be found: everywhere on this host, or in the tree that a package is made of.
SEARCHED = $(if $(DESTDIR),$(DESTDIR)/usr/bin:$(DESTDIR)$(bindir),$(PATH):/usr/bin)

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
	tests/need.sh cc:gcc fail2ban-regex:fail2ban iptables:iptables nft:nftables ipset:ipset ip:iproute2 python3:python3
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

install-compat: no-fail2ban install
	for name in $(FACES); do ln -sf sipjail $(DESTDIR)$(bindir)/$$name; done
	for page in man/compat/*.1; do \
	  install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man1/$${page##*/}; done
	# A unit of its own and no alias: it reads another directory, and listens where fail2ban's clients ask.
	sed -e 's|@bindir@/sipjail run|$(bindir)/fail2ban-server -xf start|' \
	  -e 's|@bindir@/sipjail reload|$(bindir)/fail2ban-client reload|' \
	  -e 's|^\(Description=sipjail\)|\1 in place of fail2ban|' \
	  -e 's|^Documentation=.*|Documentation=man:fail2ban-server(1)|' \
	  -e 's|^\(Before=.*\)|\1\nConflicts=sipjail.service|' \
	  -e 's|`sipjail stop`|`fail2ban-client stop`|' -e 's|edit sipjail|edit fail2ban|' \
	  -e 's|Directory=sipjail|Directory=fail2ban|' systemd/sipjail.service \
	  >$(DESTDIR)$(PREFIX)/lib/systemd/system/fail2ban.service

# Only what is ours: fail2ban may be back already.
uninstall-compat:
	for name in $(FACES); do link=$(DESTDIR)$(bindir)/$$name; \
	  [ "$$(readlink $$link)" != sipjail ] || rm $$link; done
	for file in $(patsubst man/compat/%,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(wildcard man/compat/*.1)) \
	  $(DESTDIR)$(PREFIX)/lib/systemd/system/fail2ban.service; do \
	  ! grep -qs sipjail $$file || rm $$file; done

no-fail2ban:
	@searched='$(SEARCHED)'; IFS=:; for folder in $$searched; do IFS=' '; for name in $(FACES); do \
	  found="$$folder/$$name"; \
	  [ -e "$$found" ] && [ "$$(basename "$$(readlink -f "$$found")")" != sipjail ] || continue; \
	  echo "fail2ban is installed: $$found is not sipjail; nothing was changed." >&2; \
	  echo "  hint: remove it first (\`apt remove fail2ban\` keeps /etc/fail2ban and its database), or use \`make install\`," >&2; \
	  echo "        which leaves fail2ban's names alone" >&2; \
	  exit 1; \
	done; done

.PHONY: help build run demo test bench bench-compare e2e check install install-compat uninstall-compat no-fail2ban
