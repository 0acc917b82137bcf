"""Self-contained HTML reports of sub-regions; style, figures' parts and provenance are those of NPCResponseLib."""
