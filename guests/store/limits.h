/* SPDX-License-Identifier: MIT
 *
 * How much of the store a domain may have. Each limit is a domain's own: reaching it refuses that
 * domain and nobody else, since the memory behind it is set aside when the domain is introduced.
 */
#pragma once

#define CLIENTS_MAX 64 /* the administrator (index 0) and 63 domains */

/* Memory: pages of the pool set aside for a domain, and for what the administrator writes. */
#define CLIENT_PAGES 32U
#define ADMIN_PAGES  96U
#define STORE_PAGES  (ADMIN_PAGES + (CLIENTS_MAX - 1) * CLIENT_PAGES)

#define NODES_MAX    512U  /* that a domain owns */
#define ADMIN_NODES  4096U /* that the administrator owns */
#define PERMS_MAX    6U    /* entries of a node's list, the owner's among them */
#define WATCHES_MAX  64U
#define TOKEN_MAX    1022U /* so that any path fits into an event beside it */
#define EVENTS_MAX   128U  /* that wait for one client; more are folded */
#define TXS_MAX      8U    /* open transactions */
#define TX_LOG_MAX   128U  /* changes in one transaction */
#define TX_READS_MAX 256U  /* paths that one transaction has looked at */

/* Messages (replies and events) that a client may get in one round, before the next one's turn. */
#define ROUND_MESSAGES 4U
