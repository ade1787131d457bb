# SPDX-License-Identifier: GPL-2.0-only
#
# The version of everything that is installed: packages, DKMS tree, programs.

VERSION ?= 0.1.0
