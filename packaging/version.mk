# SPDX-License-Identifier: GPL-2.0-only
#
# The version of everything that is installed: packages, DKMS tree, modules,
# programs. "VERSION ?= " and the version is what scripts look for here.

VERSION ?= 0.1.0
