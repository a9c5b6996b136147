# SPDX-License-Identifier: GPL-2.0
# Sphinx configuration of `make docs`.
project = "virtio between SoCs over PCIe"
author = "The epf-vhost developers"
extensions = []
html_theme = "alabaster"
exclude_patterns = ["ABI"]
