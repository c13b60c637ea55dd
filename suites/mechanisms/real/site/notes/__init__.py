# SPDX-License-Identifier: MIT
"""__init__.py - the application of the project."""
