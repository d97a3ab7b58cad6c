/* SPDX-License-Identifier: MIT */
#pragma once

#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
