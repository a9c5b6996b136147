#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Removes the cache outside the tree; the next build starts from nothing.
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

echo "removing $CACHE ($(du -sh "$CACHE" | cut -f 1))"
rm -rf --one-file-system "$CACHE"
