/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/laganctl/look.h"

static void counter(FILE *to, const char *name, const char *help, uint64_t value)
{
    fprintf(to, "# HELP lagan_daemon_%s %s\n# TYPE lagan_daemon_%s counter\n", name, help, name);
    fprintf(to, "lagan_daemon_%s %" PRIu64 "\n", name, value);
}

static void state(FILE *to, const struct keeper *k, const char *name, const char *help,
                  size_t offset)
{
    fprintf(to, "# HELP lagan_domain_%s %s\n# TYPE lagan_domain_%s gauge\n", name, help, name);
    for (unsigned i = 0; i < k->count; i++) {
        const struct guest *g = &k->guest[i];

        fprintf(to, "lagan_domain_%s", name);
        look_print_label(to, g->domid, g->name);
        fprintf(to, " %d\n", *(const bool *)((const char *)g + offset));
    }
}

int metrics_write(struct keeper *k, FILE *to)
{
    int rc = look_print_metrics(k->host, to);

    if (rc)
        return rc;
    counter(to, "decisions_total", "changes of memory that were told with their reason",
            k->decisions);
    counter(to, "moves_total", "targets written to the store", k->moves);
    counter(to, "reports_total", "reports of guests' agents", k->reports);
    counter(to, "reports_refused_total", "reports that said what cannot be", k->refused);
    state(to, k, "managed", "1: the policy decides what it has", offsetof(struct guest, adopted));
    state(to, k, "by_hand", "1: its memory was set by hand", offsetof(struct guest, by_hand));
    state(to, k, "reports", "1: its agent reports", offsetof(struct guest, speaks));
    return 0;
}

int metrics_file(struct keeper *k, const char *path)
{
    char other[sizeof(k->config->metrics) + 8];
    FILE *to;
    int rc;

    snprintf(other, sizeof(other), "%s.new", path);
    to = fopen(other, "we");
    if (!to)
        return -errno;
    rc = metrics_write(k, to);
    if (rc == 0 && (fflush(to) || ferror(to)))
        rc = -EIO;
    (void)fchmod(fileno(to), 0644);
    if (fclose(to) && rc == 0)
        rc = -errno;
    if (rc == 0 && rename(other, path))
        rc = -errno;
    if (rc)
        (void)unlink(other);
    return rc;
}
