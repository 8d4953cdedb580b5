"""`table`: an arm with a gripper before a table with coloured things and a tray; see world.py."""
