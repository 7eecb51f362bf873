DROP TABLE bridge_health;
