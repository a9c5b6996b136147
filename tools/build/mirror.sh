# SPDX-License-Identifier: GPL-2.0
# MIRROR: the Debian archive this machine already uses, so that a local mirror is honoured.
# Sourced by the scripts that fetch packages. DEBIAN_MIRROR overrides it.

MIRROR=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' |
	awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }')}
[ -n "$MIRROR" ] || die "no Debian archive found in the apt sources of this machine; run 'apt-get update' or set DEBIAN_MIRROR"
